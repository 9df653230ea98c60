// Dark where the reader's system is: the theme's own way also looks for what it would fetch.
const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () =>
    document.documentElement.setAttribute("data-bs-theme", dark.matches ? "dark" : "light");
follow();
dark.addEventListener("change", follow);
