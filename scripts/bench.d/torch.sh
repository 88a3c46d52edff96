# shellcheck shell=bash disable=SC2034,SC2086,SC2154
# The PyTorch peers.
peer=${FUSOR_PEER:-../shared/peers/torch/torch_peer.py}
# Debian's own Python is the one that has Debian's torch.
python=/usr/bin/python3

have_torch() {
    if [ ! -f "$peer" ]; then
        say "no peer at $peer (set FUSOR_PEER): only fusor is measured"
        return 1
    fi
    if ! "$python" -c 'import numpy, torch' 2>/dev/null; then
        say "the peer needs torch: apt-get install python3-torch" \
            "python3-numpy; only fusor is measured"
        return 1
    fi
}

# torch ARGUMENT... : the peer at its best: memory is kept instead of given back
# in every step, threads do not spin against each other. An OpenBLAS that does
# not know the processor takes its slowest kernels: the peer gets those that
# fusor chose ($kernel). Prints the line of its result.
torch() {
    env OPENBLAS_CORETYPE="$kernel" OMP_WAIT_POLICY=passive \
        GLIBC_TUNABLES=glibc.malloc.hugetlb=1 ATEN_CPU_CAPABILITY=avx512 \
        MALLOC_TRIM_THRESHOLD_=8000000000 MALLOC_MMAP_THRESHOLD_=8000000000 \
        "$python" "$peer" "$@" --cache "$work" 2>"$work/torch.log" |
        grep '"kind": "result"' ||
        { tail -n 3 "$work/torch.log" >&2; return 1; }
}
