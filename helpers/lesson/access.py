"""What the keyboard and a screen reader need beyond what ipywidgets gives, put on a page once by `begin`.

Knows what ipywidgets and JupyterLab leave out: the names of sliders, the groups of choices, a focus ring that
can be seen. Knows nothing about what a widget teaches.

The rings of a widget's own controls are in `widgets.STYLE`, which travels with each widget, since Colab shows
every output in a frame of its own. Where a page runs no script, a slider's name still stands beside it.
"""

from __future__ import annotations

from helpers.lesson import page

#: A ring that is seen on white and on JupyterLab's dark background; ipywidgets says "none", and insists.
RING = f"outline: 2px solid {page.MARKS['note'].color} !important; outline-offset: 1px !important;"

_STYLE = f"""<style>
.jp-RenderedHTMLCommon summary:focus-visible, .jp-RenderedHTMLCommon video:focus-visible,
.jp-RenderedHTMLCommon a:focus-visible {{{RING}}}
</style>"""

# Names come from what stands beside a control, so nothing has to be said twice. Classes are watched because a
# choice that is taken is only a class; a frame's wait spares a page on which much changes at once.
_SCRIPT = """<script>
(() => {
  if (window.courseAccess) return;
  let waiting = false;
  const name = (part, text) => { if (text && part.ariaLabel !== text) part.ariaLabel = text; };
  const look = () => {
    waiting = false;
    for (const slider of document.querySelectorAll('.course-widget .widget-hslider')) {
      const label = slider.querySelector('.widget-label')?.textContent;
      const readout = slider.querySelector('.widget-readout');
      for (const handle of slider.querySelectorAll('.noUi-handle')) {
        name(handle, label);
        if (readout) handle.setAttribute('aria-valuetext', readout.textContent);
      }
      if (readout) {
        readout.setAttribute('role', readout.isContentEditable ? 'textbox' : 'note');
        name(readout, `${label}, as a number`);
      }
    }
    for (const group of document.querySelectorAll('.course-choices')) {
      group.setAttribute('role', 'group');
      const before = group.previousElementSibling;
      name(group, before?.textContent.trim());
      for (const choice of group.querySelectorAll('button'))
        choice.setAttribute('aria-pressed', choice.classList.contains('mod-active'));
    }
  };
  const soon = () => { if (!waiting) { waiting = true; requestAnimationFrame(look); } };
  window.courseAccess = new MutationObserver(soon);
  window.courseAccess.observe(document.body, {
    childList: true, subtree: true, characterData: true, attributes: true, attributeFilter: ['class'] });
  soon();
})();
</script>"""


def install() -> None:
    """Put style and script on the notebook's page; nothing where there is no notebook."""
    from IPython.core.interactiveshell import InteractiveShell

    if InteractiveShell.initialized():
        page.publish({"text/html": _STYLE + _SCRIPT, "text/plain": ""})
