# Sourced by every stage: where environments stand, and how one is made.
#
# A stage that runs alone makes what it needs in a temporary folder. Under .ci/run all stages share that folder, so the
# environment of the README serves those that need TensorFlow.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [ -z "${SKVQ_CI:-}" ]; then
    SKVQ_CI=$(mktemp -d)
    export SKVQ_CI
    trap 'rm -rf "$SKVQ_CI"' EXIT
fi
export TF_CPP_MIN_LOG_LEVEL=3 PIP_DISABLE_PIP_VERSION_CHECK=1
main='.[tensorflow,examples,tests]'

# environment NAME [ARGUMENT OF PIP INSTALL]...: make the environment or add to it; its programs come first.
environment() {
    local folder="$SKVQ_CI/$1"
    shift
    [ -d "$folder" ] || "${PYTHON:-python3}" -m venv "$folder"
    local programs=bin
    [ -d "$folder/bin" ] || programs=Scripts # Windows
    export PATH="$folder/$programs:$PATH"
    [ $# -eq 0 ] || python -m pip install --quiet "$@"
}

# distributions: build the sdist, and the wheel from it, once.
distributions="$SKVQ_CI/dist"
distributions() {
    environment build build twine
    [ -d "$distributions" ] || python -m build --outdir "$distributions" .
}

# skip REASON: end the stage, which .ci/run lists as skipped.
skip() {
    echo "skipped: $*"
    exit 77
}
