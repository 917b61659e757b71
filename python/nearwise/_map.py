"""The map of a corpus."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from . import _nearwise
from .errors import ParameterError

if TYPE_CHECKING:
    from .corpus import Corpus


class Map:
    """The map of a corpus."""

    def __init__(self, corpus: Corpus, seed: int, device: str, page: str) -> None:
        self._corpus, self._seed, self._device = corpus, seed, device
        self.page = page
        """The page: HTML that needs nothing else."""

    def _repr_html_(self) -> str:
        import html

        # The frame keeps the page's script and styles to itself, and the notebook's from it.
        source = html.escape(self.page, quote=True)
        return (
            f'<iframe srcdoc="{source}" sandbox="allow-scripts allow-popups" title="map of the corpus" '
            'style="width:100%;height:640px;border:0"></iframe>'
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the map: a page (``.html``) or a picture (``.svg``, ``.png``), by the path's ending."""
        name = os.fspath(path)
        ending = os.path.splitext(name)[1].lower()
        if ending == ".png":
            self._corpus._inner.map_picture(self._seed, self._device, name)
            return
        if ending == ".svg":
            text = self._corpus._inner.map_picture(self._seed, self._device)
        elif ending in (".html", ".htm"):
            text = self.page
        else:
            raise ParameterError(f"path: {name!r} ends in {ending!r}; use .html, .svg or .png")
        _nearwise.write_file(name, text)

    def __repr__(self) -> str:
        return f"<map of {self._corpus!r}>"
