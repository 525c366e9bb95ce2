"""Japanese text into words, by MeCab."""

import hashlib
from pathlib import Path

import ipadic
import MeCab

from review_scorer.scoring.errors import BundleError

DEFAULT_DICTIONARY = Path(ipadic.DICDIR)


class Tokenizer:
    """MeCab over one dictionary: normalised text in, surface forms out.

    ``user_dictionary`` is a compiled one that adds words. ``name`` and ``fingerprint`` identify the dictionary itself:
    the same text gives other tokens under another one, so a bundle is only right with the one it was trained with.
    """

    def __init__(self, dictionary: Path = DEFAULT_DICTIONARY, *, user_dictionary: Path | None = None) -> None:
        self.name = "ipadic" if dictionary == DEFAULT_DICTIONARY else dictionary.name
        self.fingerprint = fingerprint(dictionary)
        self.user_dictionary = user_dictionary
        # -r /dev/null: a mecabrc of this machine must not change what a text means.
        arguments = f'-r /dev/null -d "{dictionary}" -Owakati'
        if user_dictionary:
            arguments += f' -u "{user_dictionary}"'
        try:
            self._model = MeCab.Model(arguments)
        except RuntimeError:
            which = f"{dictionary} with {user_dictionary}" if user_dictionary else str(dictionary)
            raise BundleError(f"MeCab cannot use the dictionary {which}; was it compiled for UTF-8?") from None
        self._tagger = self._model.createTagger()
        self._lattice = self._model.createLattice()

    def __call__(self, text: str) -> list[str]:
        """Return the surface forms of ``text`` (normalised, without NUL), in order; may be empty."""
        # The lattice keeps a pointer into the text: ``text`` stays referenced here until it has been read back.
        self._lattice.set_sentence(text)
        self._tagger.parse(self._lattice)
        tokens: list[str] = self._lattice.toString().split()
        return tokens


def fingerprint(dictionary: Path) -> str:
    """Return the sha256, in hex, over the names and contents of the dictionary's compiled files.

    Raises ``BundleError`` when there is no dictionary at that path.
    """
    files = sorted([*dictionary.glob("*.bin"), *dictionary.glob("*.dic"), *dictionary.glob("dicrc")])
    if not (dictionary / "sys.dic").is_file():
        raise BundleError(f"{dictionary} is not a compiled MeCab dictionary: it has no sys.dic")
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.name.encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()
