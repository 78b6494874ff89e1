# symbols.awk - what the linker and the tests need of monkeypatch/symbols.def
#
# usage: awk -v mode=map|list -f cmake/symbols.awk symbols.def
#   map    a version script that exports what the library replaces
#   list   the same names, one a line, sorted (for tests/meta/check_exports)
#
# A row is MP_SYMBOL(group, KIND, returns, name, (parameters), (arguments)); it
# may go over several lines.  MP_ALIAS(real, alias) is another spelling of a row
# above it.

# The fields of a row: split at commas that are in no parentheses.
function fields(text, out,    i, c, depth, n) {
    split("", out)
    n = 1
    depth = 0
    for (i = 1; i <= length(text); i++) {
        c = substr(text, i, 1)
        if (c == "(")
            depth++
        if (c == ")")
            depth--
        if (c == "," && depth == 0) {
            n++
            continue
        }
        out[n] = out[n] c
    }
    for (i = 1; i <= n; i++)
        gsub(/^[ \t]+|[ \t]+$/, "", out[i])
    return n
}

function balanced(text,    opened, closed) {
    opened = gsub(/\(/, "(", text)
    closed = gsub(/\)/, ")", text)
    return opened > 0 && opened == closed
}

function exported(kind) {
    return kind != "PASS"
}

function take(row,    macro, inner, f) {
    macro = row
    sub(/[ \t]*\(.*/, "", macro)
    inner = row
    sub(/^[^(]*\(/, "", inner)
    sub(/\)[^)]*$/, "", inner)
    fields(inner, f)
    if (macro == "MP_SYMBOL") {
        kind[f[4]] = f[2]
        if (exported(f[2]))
            names[f[4]] = 1
    } else if (exported(kind[f[1]]) && f[1] in kind) {
        names[f[2]] = 1
    } else if (!(f[1] in kind)) {
        print "symbols.def: alias " f[2] " of an unknown row " f[1] \
            > "/dev/stderr"
        bad = 1
    }
}

{
    sub(/^[ \t]+/, "")
    gsub(/\/\*[^*]*\*\//, "")
}
pending == "" && !/^MP_(SYMBOL|ALIAS)[ \t]*\(/ { next }
{
    pending = pending $0 " "
    if (balanced(pending)) {
        take(pending)
        pending = ""
    }
}

END {
    if (pending != "") {
        print "symbols.def: a row does not end: " pending > "/dev/stderr"
        exit 1
    }
    if (bad)
        exit 1
    names["monkeypatch_patch_all"] = 1 # monkeypatch.h
    names["monkeypatch_is_patched"] = 1
    names["vireo_preload_refuse_static"] = 1 # for libvireo.a
    sorter = "LC_ALL=C sort"
    if (mode == "map")
        print "{\nglobal:"
    fflush()
    for (name in names)
        print (mode == "map" ? "    " name ";" : name) | sorter
    close(sorter)
    if (mode == "map")
        print "local:\n    *;\n};"
}
