"""Stores to scores: train recognition networks and say honestly how good they are.

    stores/demo/flow.h5
        │  data.py          the features a model takes, resized, fixed scales     Examples
        ▼
    folds.py                who is tested when; a leak is refused                 folds
        │  workers.py       folds × seeds, in processes (CPU) or in turn (CUDA)
        │      fit.py       one fold: a fixed number of epochs, the last one kept
        │      loss.py      cross-entropy of classes, or of each action unit
        │      work.py      what is done already, if the run is interrupted; checkpoint.py
        ▼
    predictions.py          every test sample once a seed                         predictions.csv
        │  scores.py        pooled over all folds, then mean ± sd over seeds; of action units
        │                   unit_scores.py; seeds.py, scoring.py serve both
        ▼
    run.py                  runs/NAME/: predictions.csv, results.json, config.toml
           request.py       what is asked, and refused; place.py: the folder, whole or not at all
           curves.py        loss and oracle's accuracy of each epoch; losses.py   curves.csv
           page.py          all of it for a browser; paper.py, chart.py           report.html

    cli.py      mer-train: walks this picture from top to bottom
    report.py   mer-report: starts again from predictions.csv alone (finished.py)
                score     bootstrap.py, measures.py: intervals over subjects
                audit     audit.py: leaks; sources.py, stated.py, control.py
                compare   compare.py: the same samples under two runs
                table     standings.py: beside published.toml; written.py
                page      page.py, of one run or of several
    labels.py   one class a sample, or several action units: as words, as numbers
    models/     one file a network; config.py: whatever changes the numbers of a fit
    tables.py   what a person sees

Nothing here imports pipeline, cv2, mediapipe or dask.
"""
