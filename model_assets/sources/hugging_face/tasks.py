"""What a model is for: stated by its author, else inferred, saying from what, from the surest sign to the weakest."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

#: tasks as Hugging Face names them
TASKS = frozenset(
    """
    text-classification token-classification table-question-answering question-answering zero-shot-classification translation
    summarization feature-extraction text-generation text2text-generation fill-mask sentence-similarity text-to-speech text-to-audio
    automatic-speech-recognition audio-to-audio audio-classification audio-text-to-text voice-activity-detection depth-estimation
    image-classification object-detection image-segmentation text-to-image image-to-text image-to-image image-to-video
    unconditional-image-generation video-classification reinforcement-learning robotics tabular-classification tabular-regression
    text-ranking text-to-3d image-to-3d image-text-to-text image-text-to-image image-text-to-video visual-question-answering
    document-question-answering visual-document-retrieval zero-shot-image-classification zero-shot-object-detection graph-ml
    mask-generation text-to-video video-text-to-text video-to-video keypoint-detection image-feature-extraction any-to-any
    time-series-forecasting other
    """.split()  # noqa: SIM905
)
#: how the names of architectures end or what is in them, the narrower before the wider
ARCHITECTURES = (
    ("ForCausalLM", "text-generation"),
    ("LMHeadModel", "text-generation"),
    ("ForSpeechSeq2Seq", "automatic-speech-recognition"),
    ("Whisper", "automatic-speech-recognition"),
    ("ForCTC", "automatic-speech-recognition"),
    ("Marian", "translation"),
    ("ForConditionalGeneration", "text2text-generation"),
    ("ForMaskedLM", "fill-mask"),
    ("ForSequenceClassification", "text-classification"),
    ("ForTokenClassification", "token-classification"),
    ("ForQuestionAnswering", "question-answering"),
    ("ForImageClassification", "image-classification"),
    ("ForObjectDetection", "object-detection"),
    ("ForSemanticSegmentation", "image-segmentation"),
    ("ForDepthEstimation", "depth-estimation"),
    ("ForAudioClassification", "audio-classification"),
    ("CLIPModel", "zero-shot-image-classification"),
    ("ForTextToWaveform", "text-to-speech"),
)
#: whole words of an id, the narrower before the wider
WORDS = (
    (frozenset({"embedding", "embeddings", "embed", "embeddinggemma", "minilm"}), "feature-extraction"),
    (frozenset({"reranker", "rerank"}), "text-ranking"),
    (frozenset({"whisper", "asr", "wav2vec2", "moonshine", "parakeet"}), "automatic-speech-recognition"),
    (frozenset({"tts", "kokoro"}), "text-to-speech"),
    (frozenset({"vlm", "vl", "fastvlm", "smolvlm", "vision", "llava", "paligemma"}), "image-text-to-text"),
    (frozenset({"ocr", "caption", "captioning"}), "image-to-text"),
    (frozenset({"clip", "siglip", "mobileclip"}), "zero-shot-image-classification"),
    (frozenset({"yolo", "yolov8", "yolo11", "detr", "ssd", "detection", "detector"}), "object-detection"),
    (frozenset({"segmentation", "deeplab", "deeplabv3", "sam"}), "image-segmentation"),
    (frozenset({"depth", "midas"}), "depth-estimation"),
    (frozenset({"esrgan", "superresolution"}), "image-to-image"),
    (frozenset({"mobilenet", "resnet", "resnet50", "efficientnet", "vit", "classifier", "classification"}), "image-classification"),
    (frozenset({"diffusion", "flux", "sdxl"}), "text-to-image"),
    (frozenset({"opus", "nllb", "translate", "translation", "translategemma"}), "translation"),
    (frozenset({"bert"}), "fill-mask"),
    (
        frozenset({"instruct", "chat", "it", "llm", "gpt", "llama", "gemma", "gemma2", "gemma3", "qwen", "qwen2", "qwen2.5", "qwen3", "phi", "smollm",
                   "smollm2", "mistral", "deepseek", "tinyllama"}),
        "text-generation",
    ),
)  # fmt: skip
_WORD = re.compile(r"[a-z]+[0-9.]*[a-z]*[0-9]*|[0-9.]+")


class Task(NamedTuple):
    """A task, null where nothing says one, and what says so: stated, tags, config, id or unknown."""

    task: str | None
    source: str


def task_of(stated: str | None, tags: Sequence[str], architectures: Sequence[str], id: str) -> Task:
    """What a model is for. `stated` is its pipeline_tag, `architectures` those of its config."""
    if stated:
        return Task(stated, "stated")
    for tag in tags:
        if tag in TASKS and tag != "other":
            return Task(tag, "tags")
    for name in architectures:
        for part, task in ARCHITECTURES:
            if part in name:
                return Task(task, "config")
    return _by_id(id.rpartition("/")[2].lower())


@lru_cache(maxsize=1024)
def _by_id(name: str) -> Task:
    words = set(_WORD.findall(name))
    for signs, task in WORDS:
        if not words.isdisjoint(signs):
            return Task(task, "id")
    return Task(None, "unknown")
