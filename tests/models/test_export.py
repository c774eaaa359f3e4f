"""A GGUF file read back is the model that was written, and nothing leaves this machine unasked."""

from __future__ import annotations

import json

import pytest
import torch
from huggingface_hub import HfApi

from helpers.models import convert, export, small
from helpers.settings import CourseError
from tests.models.standin_hub import save_language_model, tiny_llama, tiny_tokenizer


@pytest.fixture
def llama(tmp_path):
    """A tiny Llama with grouped queries, in a folder."""
    folder = tmp_path / "tiny"
    save_language_model(folder, "llama")
    return folder


def read_back(file):
    """What transformers makes of a GGUF file."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    how = {"gguf_file": file.name, "local_files_only": True}
    model = AutoModelForCausalLM.from_pretrained(file.parent, **how)
    return model.eval(), AutoTokenizer.from_pretrained(file.parent, **how)


def logits(model, tokenizer):
    ids = torch.tensor(small.prompt_ids(tokenizer, ["A small orange cat walks left in 12 days."]))
    with torch.no_grad():
        return ids, model(ids).logits


def apart(before, after):
    """The mean difference as a share of the mean size."""
    return float((before - after).abs().mean() / before.abs().mean())


@pytest.mark.parametrize(("precision", "most"), [("f16", 2e-3), ("q8_0", 5e-2)])
def test_a_gguf_file_holds_the_model_and_its_tokenizer(llama, precision, most):
    file = llama.parent / "tiny.gguf"
    size = export.gguf(llama, file, precision)
    assert size == file.stat().st_size
    ids, before = logits(*small.load(llama))
    again, after = logits(*read_back(file))
    assert ids.tolist() == again.tolist()
    assert 0 < apart(before, after) < most


def test_weights_that_16_bits_hold_come_back_bit_for_bit(llama):
    model, tokenizer = small.load(llama)
    for weights in model.parameters():
        weights.data = weights.data.half().float()
    small.save(model, tokenizer, llama)
    file, folder = llama.parent / "tiny.gguf", llama.parent / "back"
    export.gguf(llama, file)
    folder.mkdir()
    convert.llama_from_gguf(file, folder)
    back, _ = small.load(folder)
    for name, weights in model.state_dict().items():
        assert torch.equal(weights, back.state_dict()[name]), name


def test_a_model_whose_output_is_not_tied_to_the_embedding(tmp_path):
    model = tiny_llama()
    model.config.tie_word_embeddings = False
    model.lm_head.weight = torch.nn.Parameter(torch.randn_like(model.lm_head.weight))
    small.save(model, tiny_tokenizer(), tmp_path / "tiny")
    export.gguf(tmp_path / "tiny", tmp_path / "tiny.gguf")
    _, before = logits(*small.load(tmp_path / "tiny"))
    _, after = logits(*read_back(tmp_path / "tiny.gguf"))
    assert apart(before, after) < 2e-3


def test_the_way_of_cutting_digits_is_kept(llama):
    from gguf import GGUFReader

    def cutting():
        export.gguf(llama, llama.parent / "tiny.gguf")
        return GGUFReader(llama.parent / "tiny.gguf").fields["tokenizer.ggml.pre"].contents()

    assert cutting() == "gpt-2"
    path = llama / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    steps = [{"type": "Digits", "individual_digits": True}, tokenizer["pre_tokenizer"]]
    tokenizer["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": steps}
    path.write_text(json.dumps(tokenizer))
    assert cutting() == "smollm"


def test_special_tokens_are_told_from_words(llama):
    from gguf import GGUFReader

    export.gguf(llama, llama.parent / "tiny.gguf")
    fields = GGUFReader(llama.parent / "tiny.gguf").fields
    kinds = fields["tokenizer.ggml.token_type"].contents()
    assert kinds[:3] == [3, 3, 3]
    assert set(kinds[3:]) <= {1, 5}
    assert fields["tokenizer.ggml.eos_token_id"].contents() == small.load(llama)[1].eos_token_id


@pytest.mark.parametrize(
    ("file", "change", "says"),
    [
        ("config.json", {"model_type": "qwen2"}, "Only plain Llamas"),
        ("config.json", {"attention_bias": True}, "Only plain Llamas"),
        ("config.json", {"rope_parameters": {"rope_type": "yarn"}}, "Rotary scaling 'yarn'"),
        ("tokenizer.json", {"pre_tokenizer": {"type": "Whitespace"}}, "no byte-level BPE that is known"),
        ("tokenizer.json", {"normalizer": {"type": "NFC"}}, "no byte-level BPE that is known"),
    ],
)
def test_what_is_not_known_is_one_sentence_and_leaves_no_file(llama, file, change, says):
    found = json.loads((llama / file).read_text())
    (llama / file).write_text(json.dumps(found | change))
    with pytest.raises(CourseError, match=says):
        export.gguf(llama, llama.parent / "tiny.gguf")
    assert [path.name for path in llama.parent.iterdir()] == ["tiny"]


def test_a_file_that_cannot_be_written_is_one_sentence(llama):
    with pytest.raises(CourseError, match="cannot be written"):
        export.gguf(llama, llama.parent / "nowhere" / "tiny.gguf")


# --- the card and the hub -----------------------------------------------------------------------------------


def test_a_card_names_the_base_and_its_license():
    made = export.card("My\nmodel", "HuggingFaceTB/SmolLM2-135M-Instruct", "apache-2.0", " Hello. ", ["kto"])
    assert made.data.base_model == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert made.data.license == "apache-2.0"
    assert "kto" in made.data.tags
    assert "\n# My model\n\nHello.\n" in str(made)


@pytest.mark.parametrize("given", [("", "base", "mit"), ("name", " ", "mit"), ("name", "base", "")])
def test_a_card_without_name_base_or_license_is_refused(given):
    with pytest.raises(CourseError, match="needs a name"):
        export.card(*given, "text")


class Hub:
    """A hub that only notes what it is asked."""

    def __init__(self, monkeypatch, public: bool = False, error: Exception | None = None):
        self.calls: list[tuple] = []
        self.public, self.error = public, error
        for name in ("create_repo", "repo_info", "upload_folder"):
            monkeypatch.setattr(HfApi, name, self._noting(name))

    def _noting(self, name):
        def note(_, *given, **how):
            if self.error:
                raise self.error
            self.calls.append((name, *given, how.get("private")))
            return type("Info", (), {"private": not self.public})

        return note


@pytest.fixture
def documented(llama):
    export.card("tiny", "none", "mit", "A test.").save(llama / "README.md")
    return llama


def test_a_push_is_private_unless_asked_otherwise(documented, monkeypatch):
    hub = Hub(monkeypatch)
    export.push(documented, "me/tiny")
    assert [call[0] for call in hub.calls] == ["create_repo", "repo_info", "upload_folder"]
    assert hub.calls[0][-1] is True
    hub = Hub(monkeypatch, public=True)
    export.push(documented, "me/tiny", private=False)
    assert hub.calls[0][-1] is False


def test_nothing_is_sent_to_a_public_repository_unasked(documented, monkeypatch):
    hub = Hub(monkeypatch, public=True)
    with pytest.raises(CourseError, match="me/tiny is public, so nothing was sent"):
        export.push(documented, "me/tiny")
    assert "upload_folder" not in [call[0] for call in hub.calls]


def test_nothing_is_sent_without_a_card(llama, monkeypatch):
    hub = Hub(monkeypatch)
    with pytest.raises(CourseError, match=r"lacks README\.md, so nothing was sent"):
        export.push(llama, "me/tiny")
    assert hub.calls == []


@pytest.mark.parametrize("error", [ConnectionError("no network\nat all"), ValueError("bad name"), OSError()])
def test_a_hub_that_refuses_is_one_sentence(documented, monkeypatch, error):
    Hub(monkeypatch, error=error)
    with pytest.raises(
        CourseError, match=r"could not be pushed to the hub \((no network|bad name|OSError)\)\.$"
    ):
        export.push(documented, "me/tiny")
