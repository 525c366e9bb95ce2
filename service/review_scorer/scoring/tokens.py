"""Splits Japanese text into words with MeCab."""

import hashlib
from pathlib import Path

import ipadic
import MeCab

from review_scorer.scoring.errors import BundleError

DEFAULT_DICTIONARY = Path(ipadic.DICDIR)


class Tokenizer:
    """MeCab with one dictionary: splits normalised text into surface forms.

    ``user_dictionary`` is a compiled user dictionary with additional words. ``name`` and ``fingerprint`` identify the
    system dictionary. Another dictionary gives other tokens, so a bundle is only valid with the dictionary that it was
    trained with. Raises ``BundleError`` if MeCab cannot load a dictionary. Not thread-safe.
    """

    def __init__(self, dictionary: Path = DEFAULT_DICTIONARY, *, user_dictionary: Path | None = None) -> None:
        self.name = "ipadic" if dictionary == DEFAULT_DICTIONARY else dictionary.name
        self.fingerprint = fingerprint(dictionary)
        self.user_dictionary = user_dictionary
        # -r /dev/null: the mecabrc of this machine must not change the tokens.
        arguments = f'-r /dev/null -d "{dictionary}" -Owakati'
        if user_dictionary:
            arguments += f' -u "{user_dictionary}"'
        try:
            self._model = MeCab.Model(arguments)
        except RuntimeError:
            which = f"{dictionary} with {user_dictionary}" if user_dictionary else str(dictionary)
            raise BundleError(f"MeCab cannot load the dictionary {which}; it must be compiled for UTF-8") from None
        self._tagger = self._model.createTagger()
        self._lattice = self._model.createLattice()

    def __call__(self, text: str) -> list[str]:
        """Return the surface forms of ``text``, which is normalised and has no NUL, in order; may be empty."""
        # The lattice keeps a pointer into the text, so `text` must stay referenced until `toString` returns.
        self._lattice.set_sentence(text)
        self._tagger.parse(self._lattice)
        tokens: list[str] = self._lattice.toString().split()
        return tokens


def fingerprint(dictionary: Path) -> str:
    """Return the SHA-256, in hex, of the names and contents of the dictionary's compiled files.

    Raises ``BundleError`` if ``dictionary`` is not a compiled MeCab dictionary.
    """
    files = sorted([*dictionary.glob("*.bin"), *dictionary.glob("*.dic"), *dictionary.glob("dicrc")])
    if not (dictionary / "sys.dic").is_file():
        raise BundleError(f"{dictionary} is not a compiled MeCab dictionary: it has no sys.dic")
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.name.encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()
