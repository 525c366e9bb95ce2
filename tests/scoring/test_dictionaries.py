"""Other dictionaries than IPADIC, and compiled user dictionaries."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from review_scorer.scoring.bundle import load
from review_scorer.scoring.errors import BundleError
from review_scorer.scoring.text import normalise
from review_scorer.scoring.tokens import DEFAULT_DICTIONARY, Tokenizer
from review_training.runs import train
from tests.support.running import free_port, gunicorn, serving

COMPILER = Path("/usr/lib/mecab/mecab-dict-index")


@pytest.fixture(scope="module")
def unidic() -> Path:
    import unidic_lite  # noqa: PLC0415

    return Path(unidic_lite.DICDIR)


@pytest.fixture(scope="module")
def user_dictionary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not COMPILER.exists():
        pytest.skip("compiling a user dictionary needs the package mecab-utils")
    directory = tmp_path_factory.mktemp("words")
    # Context ids and cost are given: the IPADIC package lacks the files to estimate them.
    (directory / "words.csv").write_text(
        "艦これ,1288,1288,1000,名詞,固有名詞,一般,*,*,*,艦これ,カンコレ,カンコレ\n", encoding="utf-8"
    )
    command: list[str | Path] = [
        COMPILER,
        "-d",
        DEFAULT_DICTIONARY,
        "-u",
        directory / "words.dic",
        "-f",
        "utf-8",
        "-t",
        "utf-8",
    ]
    subprocess.run([*command, directory / "words.csv"], check=True, capture_output=True)
    return directory / "words.dic"


@pytest.fixture(scope="module")
def unidic_bundle(unidic: Path, tiny_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("unidic") / "bundle"
    arguments = [
        "--corpus",
        str(tiny_corpus),
        "--bundle",
        str(path),
        "--no-seed-corpus",
        "--dictionary",
        str(unidic),
    ]
    assert train.main(arguments) == 0
    return path


def test_another_dictionary_gives_other_tokens(unidic: Path) -> None:
    text = normalise("国家公務員の部屋")
    assert Tokenizer(unidic)(text) != Tokenizer()(text)


def test_a_bundle_loads_only_with_the_dictionary_of_its_training(unidic_bundle: Path, unidic: Path) -> None:
    with pytest.raises(BundleError, match=r"trained with the dictionary .* not with ipadic .* SCORER_DICTIONARY"):
        load(unidic_bundle)
    assert 1 <= load(unidic_bundle, dictionary=unidic).scorer.score("良い宿でした") <= 5


def test_the_service_uses_the_dictionary_of_its_setting(unidic_bundle: Path, unidic: Path) -> None:
    with serving(unidic_bundle, DICTIONARY=str(unidic)) as server:
        assert server.client.post("/api/1/scores", json={"texts": "良い宿でした"}).status_code == 200
    process = gunicorn(unidic_bundle, PORT=str(free_port()), DICTIONARY="/nowhere")
    assert "is not a compiled MeCab dictionary" in process.communicate(timeout=20)[0]
    assert process.returncode != 0


def test_a_word_of_the_user_dictionary_is_one_token_and_the_bundle_contains_the_dictionary(
    user_dictionary: Path, tiny_corpus: Path, tmp_path: Path
) -> None:
    assert Tokenizer()("艦これは楽しい")[0] != "艦これ"
    assert Tokenizer(user_dictionary=user_dictionary)("艦これは楽しい")[0] == "艦これ"
    words = tmp_path / "words.dic"
    shutil.copy(user_dictionary, words)
    corpus = tmp_path / "corpus.csv"
    more = "".join(
        f"5,艦これ{turn}\n1,駄作{turn}\n" for turn in ("は楽しい", "が好き", "を続けた", "に夢中", "なら毎日")
    )
    corpus.write_text(
        tiny_corpus.read_text(encoding="utf-8").replace(",domain", "").split("\n")[0] + "\n" + more, encoding="utf-8"
    )
    arguments = [
        "--corpus",
        str(corpus),
        str(tiny_corpus),
        "--bundle",
        str(tmp_path / "bundle"),
        "--no-seed-corpus",
    ]
    assert train.main([*arguments, "--user-dictionary", str(words)]) == 0
    words.unlink()
    assert "user.dic" in json.loads((tmp_path / "bundle" / "manifest.json").read_text())["files"]
    assert "\n艦これ\n" in (tmp_path / "bundle" / "vocabulary.txt").read_text()
    loaded = load(tmp_path / "bundle").scorer
    assert loaded.predict("艦これ").vocabulary_coverage == 1
    (tmp_path / "bundle" / "user.dic").write_bytes(user_dictionary.read_bytes()[:-1])
    with pytest.raises(BundleError, match=r"user\.dic was modified or is damaged"):
        load(tmp_path / "bundle")


def test_the_error_names_a_file_that_is_no_dictionary(tmp_path: Path) -> None:
    (tmp_path / "words.csv").write_text("艦これ", encoding="utf-8")
    with pytest.raises(BundleError, match=r"words\.csv"):
        Tokenizer(user_dictionary=tmp_path / "words.csv")
