# Runs of scripts/bench as a markdown table; common.sh says what a line holds.
# The ratio says how much better fusor is than its best peer: of rates ours by
# theirs, of times theirs by ours.
BEGIN { FS = "\t" }

{
    run = $1 SUBSEP $2 SUBSEP $3
    if (!($1 in seen)) {
        seen[$1] = 1
        rows[++n_rows] = $1
    }
    if (!(run in n)) {
        who[$1, $2, ++n_who[$1, $2]] = $3
        terms[run] = $7
        command[run] = $8
    }
    value[run, ++n[run]] = $4 + 0
    if ($6 != "" && $6 != "-") quality[run] = $6
    unit[$1] = $5
}

function sort(run,    i, j, x) {
    for (i = 2; i <= n[run]; i++)
        for (j = i; j > 1 && value[run, j] < value[run, j - 1]; j--) {
            x = value[run, j]
            value[run, j] = value[run, j - 1]
            value[run, j - 1] = x
        }
}

function median(run) {
    sort(run)
    return (value[run, int((n[run] + 1) / 2)] + \
        value[run, int(n[run] / 2) + 1]) / 2
}

function number(x) {
    if (x >= 1e6) return sprintf("%.3g M", x / 1e6)
    if (x >= 1e4) return sprintf("%.0f k", x / 1e3)
    if (x >= 1e3) return sprintf("%.0f", x)
    return sprintf("%.3g", x)
}

# The best run of a kind: "" when there is none.
function best(row, kind,    i, run, m, found, most) {
    found = ""
    for (i = 1; i <= n_who[row, kind]; i++) {
        run = row SUBSEP kind SUBSEP who[row, kind, i]
        m = median(run)
        if (found == "" || (more_is_better(row) ? m > most : m < most)) {
            found = run
            most = m
        }
    }
    return found
}

function more_is_better(row) {
    return unit[row] ~ /\/s$/
}

function cell(row, run, named,    text) {
    if (run == "") return "-"
    text = number(median(run))
    if (n[run] > 1)
        text = text " (" number(value[run, 1]) "–" number(value[run, n[run]]) ")"
    if (named) text = last(run) ": " text
    if (run in quality) text = text ", " quality[run]
    return text
}

function last(run,    part) {
    split(run, part, SUBSEP)
    return part[3]
}

function code(run) {
    return run == "" ? "-" : "`" command[run] "`"
}

function ratio(row, ours, theirs) {
    if (ours == "" || theirs == "") return "-"
    if (more_is_better(row)) return sprintf("%.2f", median(ours) / median(theirs))
    return sprintf("%.2f", median(theirs) / median(ours))
}

END {
    print "| work | unit | fusor | best peer | ratio | with defaults | ratio " \
        "| limit |"
    print "|---|---|---|---|---|---|---|---|"
    for (i = 1; i <= n_rows; i++) {
        row = rows[i]
        ours = best(row, "fusor")
        theirs = best(row, "peer")
        plain = best(row, "defaults")
        printf "| %s | %s | %s | %s | %s | %s | %s | %s |\n", row, unit[row], \
            cell(row, ours, 0), cell(row, theirs, 1), \
            ratio(row, ours, theirs), cell(row, plain, 0), \
            ratio(row, plain, theirs), cell(row, best(row, "limit"), 1)
    }
    print ""
    print "| work | terms | command | with defaults | peer's command |"
    print "|---|---|---|---|---|"
    for (i = 1; i <= n_rows; i++) {
        row = rows[i]
        ours = best(row, "fusor")
        theirs = best(row, "peer")
        printf "| %s | %s | %s | %s | %s |\n", row, terms[ours], \
            code(ours), code(best(row, "defaults")), code(theirs)
    }
}
