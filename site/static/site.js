// A page opened from disk may not read the other pages, so the search lists their titles without excerpts.
if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;

// What the theme leaves out for those who read without a mouse or without seeing.
window.addEventListener("load", async () => {
  const sidebar = document.getElementById("pst-primary-sidebar");
  sidebar?.setAttribute("role", "complementary");
  sidebar?.setAttribute("aria-label", "Pages of the course");
  for (const fold of document.querySelectorAll("#pst-primary-sidebar summary")) {
    const above = fold.closest("li")?.querySelector("a")?.textContent.trim();
    fold.setAttribute("aria-label", `Pages below ${above}`);
  }
  await window.MathJax?.startup?.promise;
  for (const wide of document.querySelectorAll("mjx-container[display], .cell_output table, .cell_output pre")) {
    if (wide.scrollWidth <= wide.clientWidth) continue;
    wide.tabIndex = 0; // so that the arrow keys scroll it
  }
});
