# shellcheck shell=bash
# Sourced by quickstart.sh and test.sh: creates .venv once and installs the pinned packages into it.
#
#   install_into_venv EXTRAS    EXTRAS as pip writes them: '' or '[test,dev]'
#
# PYTHON chooses the interpreter (3.11 or newer). XLBARRIER_TORCH_INDEX, a package index that has
# torch's CPU build, is added for the tests, e.g. https://download.pytorch.org/whl/cpu .

find_python() {
  local candidate
  for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  echo 'ERROR: no Python 3.11 or newer found; install one or set PYTHON=/path/to/python3.11' >&2
  return 1
}

install_into_venv() {
  local extras=$1 python digest stamp beat
  digest=$(cat constraints.txt pyproject.toml setup.py | cksum | cut -d ' ' -f 1)
  stamp=".venv/installed${extras//[^a-z]/-}-$digest"
  if [ -f "$stamp" ]; then
    return
  fi
  if [ ! -x .venv/bin/python ] || ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    python=$(find_python) || return 1
    echo "Making .venv with $("$python" --version)"
    "$python" -m venv .venv || {
      echo 'ERROR: python -m venv failed; on Debian or Ubuntu: apt install python3-venv' >&2
      return 1
    }
  fi
  echo 'Installing the pinned packages into .venv (once; some minutes)'
  # pip prints nothing for minutes: a line every five seconds, until it or this script ends.
  (
    seconds=0
    while sleep 5 >/dev/null 2>&1 && kill -0 $$ 2>/dev/null; do
      seconds=$((seconds + 5))
      echo "  installing, $seconds s"
    done
  ) &
  beat=$!
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input \
    ${XLBARRIER_TORCH_INDEX:+--extra-index-url "$XLBARRIER_TORCH_INDEX"} \
    --constraint constraints.txt --editable ".$extras" || {
    kill "$beat" 2>/dev/null || true
    echo 'ERROR: the installation failed; the lines above say why. Start again to go on.' >&2
    return 1
  }
  kill "$beat" 2>/dev/null || true
  touch "$stamp"
}

# In PATH, or one of pyenv's, which are in PATH only where they are chosen.
find_newest_python() {
  local candidate pyenv
  pyenv=$(printf "%s\n" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.*[0-9]/bin/python | sort -rV)
  for candidate in ${XLBARRIER_NEWEST_PYTHON:-python3.14 python3.13 python3.12 $pyenv}; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  return 1
}

# Makes .venv-newest with the newest jax in pyproject.toml's range, and all that pip chose beside it
# when constraints-newest.txt was made; fails where that cannot be installed.
install_newest() {
  local python=$1 digest stamp
  digest=$(cat pyproject.toml constraints-newest.txt | cksum | cut -d ' ' -f 1)
  stamp=".venv-newest/installed-$digest"
  if [ -f "$stamp" ]; then
    return
  fi
  echo "Making .venv-newest with $("$python" --version) (once; some minutes)"
  if ! .venv-newest/bin/python -m pip --version >/dev/null 2>&1; then
    "$python" -m venv --clear .venv-newest || return 1
  fi
  .venv-newest/bin/python -m pip install --quiet --disable-pip-version-check --no-input \
    --constraint constraints-newest.txt --editable '.[newest]' &&
    touch "$stamp"
}
