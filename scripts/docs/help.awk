# Print make's targets with what they do; a rule with % has one target per source.
function line(name, what) { printf "  %-26s %s\n", name, what }

/^[a-z0-9-]+:.*## / { split($0, part, ":.*## "); line(part[1], part[2]) }

/^\$\(sources:%=[a-z%-]+\): .*## / {
    match($0, /%=[a-z%-]+/)
    pattern = substr($0, RSTART + 2, RLENGTH - 2)
    what = $0
    sub(/.*## /, "", what)
    for (n = split(sources, source, " "); n > 0; n--) order[n] = source[n]
    for (n = 1; n in order; n++) {
        name = pattern
        meaning = what
        sub(/%/, order[n], name)
        sub(/%/, order[n], meaning)
        line(name, meaning)
    }
}
