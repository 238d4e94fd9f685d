#!/usr/bin/env bash
# Every row of the book that a GPU can make, within half an hour: a self-check, times, training.
#
#   benchmarks/on_gpu.sh                                  into results/cuda, which benchmarks/take.py takes over
#   OUT=/a/folder benchmarks/on_gpu.sh                    the same, and the changed files as rows.tar.gz in that folder
#   BUDGET=560 benchmarks/on_gpu.sh                       for so many seconds instead of 1,800
#   benchmarks/on_gpu.sh --only table5,speed              these steps alone
#   benchmarks/on_gpu.sh --profile quick --device cpu     every command once, in a small way, into results/quick
#
# It takes Python with torch, numpy, pandas, scikit-learn, pyarrow, tqdm, filelock and jaxtyping, and installs nothing; the
# fused kernels and torch.compile take a C compiler and Python's headers, too. PYTHON names another Python, JOBS how many
# runs train side by side. Rows that the store has are not made again, so what a limit cuts short goes on at the end, if
# time is left, and when the script is started once more.
set -u
cd "$(dirname "$0")/.." || exit 1

PROFILE=full DEVICE=cuda ONLY=
usage() { sed -n '2,13s/^# \{0,1\}//p' "$0"; }
while [ $# -gt 0 ]; do
    case "$1" in
        --profile | --device | --only)
            [ $# -ge 2 ] || { echo "error: $1 needs a value" >&2; exit 1; }
            case "$1" in
                --profile) PROFILE=$2 ;;
                --device) DEVICE=$2 ;;
                --only) ONLY=,$2, ;;
            esac
            shift 2
            ;;
        --help | -h) usage; exit 0 ;;
        *) echo "error: $1 is unknown; --help says what there is" >&2; exit 1 ;;
    esac
done
[ "$PROFILE" = full ] || [ "$PROFILE" = quick ] || { echo "error: --profile must be quick or full" >&2; exit 1; }

default=python3
[ -x .venv/bin/python ] && default=.venv/bin/python
PYTHON=${PYTHON:-$default}
# A GPU's runs are in a folder of their own: beside the CPU's, differences would be of two machines.
RESULTS=results
[ "$DEVICE" = cpu ] || RESULTS=results/cuda
export PYTHONPATH=. TORCH_CPP_LOG_LEVEL=ERROR KINETO_LOG_LEVEL=99
BUDGET=${BUDGET:-1800} # seconds for everything; SECONDS is bash's own clock
STEPS=, SUMMARY=() FAILED=0 CUT=

# asked NAME: whether a step is to be done. What prepares data is done with any --only.
asked() {
    STEPS+=$1,
    [ -z "$ONLY" ] || [[ $1 == data:* || $ONLY == *,$1,* ]]
}

# step NAME LIMIT COMMAND...: runs a command for at most LIMIT seconds and of what is left, and says how it went.
step() {
    local name=$1 limit=$2 start=$SECONDS status word
    shift 2
    asked "$name" || return 0
    [ "$limit" -lt $((BUDGET - SECONDS)) ] || limit=$((BUDGET - SECONDS))
    if [ "$limit" -le 0 ]; then
        SUMMARY+=("$name: left out, the time was over") FAILED=1
        return 1
    fi
    echo "== $name"
    timeout --foreground --kill-after 20 "$limit" "$@"
    status=$?
    case $status in
        0) word=done ;;
        124 | 137) word="stopped at its limit; what it made by then is kept" CUT+=" $name" ;;
        *) word="FAILED, exit status $status" FAILED=1 ;;
    esac
    SUMMARY+=("$name: $word ($((SECONDS - start)) s)")
    echo "== $name: $word ($((SECONDS - start)) s)"
    keep
    return $status
}

# Copies what has changed to OUT after each step, because this script may be killed.
STARTED=$(mktemp)
keep() {
    [ -z "${OUT:-}" ] || [ ! -d "$RESULTS/$PROFILE" ] || {
        mkdir -p "$OUT" && find "$RESULTS/$PROFILE" -name '*.jsonl' -newer "$STARTED" -print0 |
            tar -czf "$OUT/.rows" --null -T - && mv "$OUT/.rows" "$OUT/rows.tar.gz"
    }
}

# Ends what trains beside other suites, and waits for it.
end_beside() {
    local group
    for group in $(jobs -p); do kill -- -"$group" 2> /dev/null; done
    wait
}

finish() {
    trap - EXIT
    end_beside
    [ -z "$CUT" ] || FAILED=1
    printf '%s\n' "" "$PROFILE on $DEVICE, $SECONDS s:" ${SUMMARY[@]+"${SUMMARY[@]}"}
    if ! keep; then
        echo "error: the rows could not be copied to $OUT; they are in $RESULTS/$PROFILE" >&2
        FAILED=1
    elif [ -d "$RESULTS/$PROFILE" ]; then
        echo "rows: $RESULTS/$PROFILE${OUT:+, and $OUT/rows.tar.gz}"
    fi
    rm -f "$STARTED"
    exit $FAILED
}
trap finish EXIT

has() { [ -e "data/$1/manifest.json" ]; }

# prepare NAME FOLDER SCRIPT...: prepares data, unless that has been done.
prepare() {
    local name=data:$1 folder=$2
    shift 2
    if has "$folder"; then STEPS+=$name,; else step "$name" 120 "$PYTHON" "$@"; fi
}

for name in synthetic iaac_twin amazon_twin; do
    prepare $name $name data_scripts/$name.py
done
prepare movielens movielens data_scripts/movielens.py --if-possible
prepare planted planted-h50-g100-n0 data_scripts/planted.py
REAL=synthetic
has movielens && REAL=movielens

# A device that does not give the CPU's numbers has nothing to measure. The fused kernels are no condition of that.
step selfcheck 420 "$PYTHON" -m apg_repro selfcheck --device "$DEVICE" || {
    SUMMARY+=("the self-check is made once more without the fused kernels, as is all that follows")
    export APG_FUSED=0
    step selfcheck 300 "$PYTHON" -m apg_repro selfcheck --device "$DEVICE" || {
        SUMMARY+=("nothing is measured before the self-check has passed; if it was too slow, start again")
        exit 1
    }
}

HOW=(--profile "$PROFILE" --device "$DEVICE" --results "$RESULTS")
step table5 420 "$PYTHON" -m apg_repro run table5 "${HOW[@]}" --datasets iaac_twin
step table10 300 "$PYTHON" -m apg_repro run table10 "${HOW[@]}" --datasets iaac_twin

MEASURED="speed threads comparators" # times, beside which nothing may run
SUITES="table4 table2 stability table8 table9 figure6 figure7 figure8 starts optimizers crossed"
[ $REAL = movielens ] && SUITES+=" encodings" # other ways of reading MovieLens alone
EAGER=table6 # of MMoE and Star, whose steps no graph holds
TRAINED=("${HOW[@]}")
[ -z "${JOBS:-}" ] || TRAINED+=(--jobs "$JOBS")
[ "$PROFILE" = quick ] || TRAINED+=(--seeds 1,2,3,4,5,6,7,8,9,10)
# suite NAME LIMIT: measures or trains one of them.
suite() {
    local how=("${TRAINED[@]}")
    case $1 in speed | threads) how=("${HOW[@]}") ;; esac
    step "$1" "$2" "$PYTHON" -m apg_repro run "$1" "${how[@]}" --datasets $REAL
}

# suites NAME...: one after the other; none whose rows would stand beside no others.
suites() {
    local name limit
    for name in "$@"; do
        case $name in speed | threads) limit=240 ;; *) limit=600 ;; esac
        if [ "$PROFILE" = full ] && [ $REAL = synthetic ]; then
            asked $name || continue
            SUMMARY+=("$name: left out, MovieLens-1M is not prepared (book/reproduce.md says how)") FAILED=1
        else
            suite $name $limit
        fi
    done
}

# beside N: N processes train what graphs do not hold while other suites run, because there Python is what takes the time,
# and one process runs it in one thread. The suite's own step trains what is left, and says what failed.
beside() {
    local number
    asked $EAGER || return 0
    [ "$PROFILE" = quick ] || [ $REAL = movielens ] || return 0
    set -m # each gets a process group, which ends as a whole
    for ((number = 0; number < $1; number++)); do
        timeout --foreground $((BUDGET - SECONDS)) \
            "$PYTHON" -m apg_repro run $EAGER "${TRAINED[@]}" --jobs 2 --datasets $REAL &> /dev/null &
    done
    set +m
}

suites $MEASURED
if [ "$PROFILE" = full ]; then beside 3; else beside 1; fi
suites $SUITES $EAGER
step planted 300 "$PYTHON" -m apg_repro run planted "${TRAINED[@]}"

end_beside # times may be taken again, beside which nothing may run
again=$CUT CUT=
for name in $again; do
    case " $MEASURED $SUITES $EAGER " in
        *" $name "*) suite "$name" $BUDGET || true ;;
        *) CUT+=" $name" ;;
    esac
done

for name in ${ONLY//,/ }; do
    [[ $STEPS == *,$name,* ]] || { echo "error: there is no step $name; there are ${STEPS//,/ }" >&2; FAILED=1; }
done
