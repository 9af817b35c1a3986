"""The shape of the house: imports run one way, files stay short, nothing is registered twice."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
PACKAGE = ROOT / 'xlbarrier'

# The ground floor, what several rooms need: each may import those before it.
GROUND = (
    *('errors', 'draw', 'progress', 'peers', 'multihost', 'mesh', 'compiled', 'text', 'config'),
    *('datafiles', 'mirror', 'run'),
)
# A room may import rooms of lower floors, and itself. Rooms of one floor are apart: `models` and
# `data`, `train` and `scoring`, `corpus` and both.
FLOORS = (
    set(GROUND),
    {'metrics', 'translate'},
    {'corpus', 'data', 'models'},
    {'qa', 'train', 'scoring'},
    {'tasks'},
    {'results'},
    {'report', 'api', 'aot'},
    {'rescore', 'integrations'},
    {'modes', 'cli', 'terminal'},
    {'main'},
)
FLOOR = {room: i for i, rooms in enumerate(FLOORS) for room in rooms}


def room_of(path: pathlib.Path) -> str:
    parts = path.relative_to(PACKAGE).parts
    return parts[0].removesuffix('.py')


def imported_modules(tree: ast.AST) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, 'imports are absolute'
            found |= {f'{node.module}.{alias.name}' for alias in node.names}
    return found


def sources() -> list[pathlib.Path]:
    return sorted(p for p in PACKAGE.rglob('*.py') if p != PACKAGE / '__init__.py')


@pytest.mark.parametrize('path', sources(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_run_one_way(path):
    room = room_of(path)
    assert room in FLOOR, f'{room} has no floor in this test'
    for module in imported_modules(ast.parse(path.read_text(encoding='utf-8'))):
        if not module.startswith('xlbarrier.'):
            continue
        other = module.split('.')[1]
        if other == room or other == '__version__':
            continue
        if room in GROUND and other in GROUND:
            below = GROUND.index(other) < GROUND.index(room)
        else:
            below = FLOOR[other] < FLOOR[room]
        assert below, f'{path.relative_to(ROOT)} imports {module}'


@pytest.mark.parametrize(
    'room',
    [
        'metrics',
        'text',
        'translate',
        'corpus',
        'config',
        'datafiles',
        'draw',
        'run',
        'rescore',
        'results',
        'report',
    ],
)
def test_rooms_without_jax(room):
    """`from xlbarrier import metrics` and a config error must not wait for jax."""
    base = PACKAGE / room
    files = sorted(base.rglob('*.py')) if base.is_dir() else [base.with_suffix('.py')]
    for path in files:
        for module in imported_modules(ast.parse(path.read_text(encoding='utf-8'))):
            assert module.split('.')[0] not in ('jax', 'flax', 'torch'), f'{path} imports {module}'


def test_files_are_short_and_none_is_a_drawer():
    for path in [*sources(), *sorted((ROOT / 'tests').glob('*.py'))]:
        lines = path.read_text(encoding='utf-8').count('\n')
        assert lines <= 420, f'{path.relative_to(ROOT)} has {lines} lines: split it'
        assert path.name not in ('utils.py', 'helpers.py', 'misc.py'), path


def test_main_stays_under_80_lines():
    assert (PACKAGE / 'main.py').read_text().count('\n') < 80


def test_every_public_function_has_a_docstring():
    missing = []
    for path in sources():
        tree = ast.parse(path.read_text(encoding='utf-8'))
        if not ast.get_docstring(tree) and path.name != '__init__.py':
            missing.append(str(path.relative_to(ROOT)))
        for node in tree.body:
            public = isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name[0] != '_'
            if public and not ast.get_docstring(node):
                missing.append(f'{path.relative_to(ROOT)}:{node.name}')
    assert not missing, missing


def test_no_program_of_several_processes_tells_its_test_by_printing():
    """Gloo writes to the standard output from threads of its own, also amid a line."""
    programs = 0
    for path in sorted({*(ROOT / 'tests').glob('*.py')} - {pathlib.Path(__file__)}):
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
            text = node.value if isinstance(node, ast.Constant) else None
            if isinstance(text, str) and 'multihost.initialize()\n' in text:
                programs += 1
                assert 'print(' not in text, f'{path.name}:{node.lineno}'
    assert programs >= 2, 'they are known by multihost.initialize()'
