"use strict";

// The page is whole without this: the samples stand in order already, the outliers first.
const { measures, samples } = JSON.parse(document.getElementById("told").textContent);
const form = document.getElementById("choose");
const list = document.getElementById("samples");
const count = document.getElementById("count");
const FILTERS = ["dataset", "subject", "emotion"];
const cards = new Map(samples.map((sample) => [sample, document.getElementById(sample.id)]));

function fill(select, values) {
  for (const value of [...new Set(values)].sort()) {
    select.add(new Option(value || "none", `=${value}`)); // "" alone means all of them
  }
}

function compare(one, other) {
  return one < other ? -1 : one > other ? 1 : 0;
}

// What could not be measured comes first: it wants to be looked at.
function largestFirst(value) {
  return (a, b) => compare(value(b) ?? Infinity, value(a) ?? Infinity);
}

function order(name) {
  if (name === "score") return largestFirst((sample) => sample.score);
  if (name in measures) return largestFirst((sample) => sample.values[name]);
  return (a, b) => compare(a[name], b[name]);
}

function wanted(sample, chosen) {
  const word = chosen.get("find").trim().toLowerCase();
  return (
    FILTERS.every((name) => !chosen.get(name) || chosen.get(name) === `=${sample[name]}`) &&
    sample.text.includes(word)
  );
}

let standing = samples;

function show() {
  const chosen = new FormData(form);
  const by = order(chosen.get("sort"));
  const sign = chosen.has("reversed") ? -1 : 1;
  const sorted = [...samples].sort((a, b) => sign * by(a, b) || compare(a.sample, b.sample));
  let shown = 0;
  for (const sample of sorted) {
    const card = cards.get(sample);
    card.hidden = !wanted(sample, chosen);
    shown += !card.hidden;
  }
  if (sorted.some((sample, k) => sample !== standing[k])) { // moving hundreds of cards takes time
    list.replaceChildren(...sorted.map((sample) => cards.get(sample)));
    standing = sorted;
  }
  count.value = `${shown} of ${samples.length} samples shown`;
}

// "#?" and the choices, so that an address can be sent on; "#s7" is a link to a sample.
function keep() {
  const told = new URLSearchParams();
  for (const [name, value] of new FormData(form)) {
    if (value && !(name === "sort" && value === "score")) told.set(name, value);
  }
  history.replaceState(null, "", told.size ? `#?${told}` : "#");
}

function recall() {
  if (location.hash && !location.hash.startsWith("#?")) return;
  const told = new URLSearchParams(location.hash.slice(2));
  for (const field of form.elements) {
    const value = told.get(field.name) ?? "";
    if (field.type === "checkbox") field.checked = value !== "";
    if (field.type === "search") field.value = value;
    if (field.type === "select-one") {
      field.selectedIndex = Math.max(0, [...field.options].findIndex((o) => o.value === value));
    }
  }
  show();
}

for (const name of FILTERS) fill(form.elements[name], samples.map((sample) => sample[name]));
form.addEventListener("input", () => { show(); keep(); });
form.addEventListener("reset", () => setTimeout(() => { show(); keep(); }));
form.addEventListener("submit", (event) => event.preventDefault());
addEventListener("hashchange", recall);
form.hidden = false;
recall();
