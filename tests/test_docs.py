"""The documentation: every page is linked, every link leads somewhere, and the English is plain."""

import ast
import io
import pathlib
import re
import tokenize

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGES = sorted((ROOT / 'docs').glob('*.md'))
TEXTS = [*PAGES, *(ROOT / name for name in ('README.md', 'CONTRIBUTING.md', 'CHANGELOG.md'))]
MODULES = sorted((ROOT / 'xlbarrier').rglob('*.py'))
LINK = re.compile(r'\[[^\]]*\]\(([^)\s]+)\)')

# Phrases that read as translated, each with the plain one; see CONTRIBUTING.md.
PHRASES = {
    r'h(?:eld|olds?) (?:\w+ )?against': 'compared with, checks against',
    r'\b(?:is|are|was|were|be) told\b': 'reports, says',
    r'\bstands? (?:in|there|at|beside|below|behind|by|on)\b': 'is, contains',
    r'\blies? (?:in|on|at|beside|there|as)\b': 'is, is stored in',
    r'\bwanted\b|\bwants? (?:a|an|at least|some)\b': 'expected, needs',
    r'\bcan(?:not)? be had\b|\b(?:is|are|was|were) had\b': 'computed, obtained, available',
    r'\bread once\b': 'computed once',
    r'\bbut for\b': 'unless, except',
    r"\bnone of the \w+'s own\b": 'not ... itself',
    r'\bfor want of\b': 'because there is no',
    r'\bheld to be\b|\btakes? for granted\b': 'assumed',
}


def slug(heading: str) -> str:
    """The anchor that Python-Markdown's toc extension gives a heading."""
    text = re.sub(r'[^\w\s-]', '', heading.replace('`', '')).strip().lower()
    return re.sub(r'[-\s]+', '-', text)


def anchors(page: pathlib.Path) -> set[str]:
    text = re.sub(r'```.*?```', '', page.read_text(encoding='utf-8'), flags=re.S)
    return {slug(h) for h in re.findall(r'^#+ (.+)$', text, re.M)}


@pytest.mark.parametrize('page', TEXTS, ids=lambda p: p.name)
def test_links_lead_somewhere(page):
    for target in LINK.findall(page.read_text(encoding='utf-8')):
        if re.match(r'[a-z]+:', target):
            continue
        name, _, anchor = target.partition('#')
        path = (page.parent / name) if name else page
        assert path.exists(), f'{page.name} links {target}, which does not exist'
        if anchor:
            assert anchor in anchors(path), f'{page.name} links {target}: no such heading'


def test_every_page_is_in_the_index_and_in_the_navigation():
    linked = set(LINK.findall((ROOT / 'docs/index.md').read_text(encoding='utf-8')))
    site = yaml.safe_load((ROOT / 'mkdocs.yml').read_text(encoding='utf-8'))

    def leaves(entry):
        if isinstance(entry, str):
            return {entry}
        items = entry.values() if isinstance(entry, dict) else entry
        return set().union(*(leaves(item) for item in items))

    names = {page.name for page in PAGES}
    assert names - {'index.md'} <= linked
    assert leaves(site['nav']) == names


def docstrings(path: pathlib.Path) -> str:
    tree = ast.parse(path.read_text(encoding='utf-8'))
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
    return '\n'.join(ast.get_docstring(n) or '' for n in ast.walk(tree) if isinstance(n, kinds))


def found(texts: dict[str, str]) -> list[str]:
    lines = []
    for name, text in texts.items():
        for pattern, plain in PHRASES.items():
            for match in re.finditer(pattern, text, re.I):
                start = max(0, match.start() - 30)
                around = ' '.join(text[start : match.end() + 20].split())
                lines.append(f'{name}: "{around}" (plainer: {plain})')
    return lines


def test_the_pages_are_plain_english():
    lines = found({page.name: page.read_text(encoding='utf-8') for page in TEXTS})
    assert not lines, '\n'.join(lines)


def test_the_docstrings_are_plain_english():
    texts = {str(path.relative_to(ROOT)): docstrings(path) for path in MODULES}
    lines = found(texts)
    assert len(lines) <= 2, '\n'.join(lines)


# Sentences of questions and of training text, in many languages: their English is the reader's.
TEMPLATES = re.compile(r'templates|answer_words')


def comments_and_strings(source: str) -> str:
    """The comments and string literals of a module, except docstrings and what is in braces."""
    tree = ast.parse(source)
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
    documented = [n.body[0] for n in ast.walk(tree) if isinstance(n, kinds) and n.body]
    lines = {n.lineno for n in documented if isinstance(n, ast.Expr)}
    # From Python 3.12 on the text of an f-string is a token of its own.
    shown = {tokenize.COMMENT, tokenize.STRING, getattr(tokenize, 'FSTRING_MIDDLE', None)}
    texts = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT and texts and texts[-1].startswith('#'):
            texts[-1] += token.string[1:]  # a sentence may continue on the next line
        elif token.type == tokenize.COMMENT or (
            token.type in shown and token.start[0] not in lines
        ):
            texts.append(re.sub(r'\{[^{}]*\}', '{}', token.string))
    return '\n'.join(texts)


def test_comments_and_strings_are_found_without_docstrings_and_code():
    source = '''"""It stands in a docstring."""
# It is
# told here.
wanted = f'{wanted} was {wanted!r}: it lies in a message'
'''
    lines = found({'module': comments_and_strings(source)})
    assert len(lines) == 2
    assert 'is told' in lines[0] and 'lies in' in lines[1]


def test_the_comments_and_messages_are_plain_english():
    texts = {
        str(path.relative_to(ROOT)): comments_and_strings(path.read_text(encoding='utf-8'))
        for path in MODULES
        if not TEMPLATES.search(path.name)
    }
    lines = found(texts)
    assert len(lines) <= 2, '\n'.join(lines)
