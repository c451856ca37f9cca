//! How command lines are parsed.

use super::*;

fn shown(line: &str) -> String {
    let script = parse(line);
    let mut text = String::new();
    for c in &script.commands {
        if !text.is_empty() {
            text.push_str(if c.piped { " | " } else { " ; " });
        }
        let words: Vec<&str> = c.words.iter().map(|w| &*w.text).collect();
        text.push_str(&words.join("·"));
        for r in &c.redirects {
            text.push_str(if r.write { " >" } else { " <" });
            text.push_str(&r.target.text);
        }
    }
    if script.substitution { text + " $" } else { text }
}

#[track_caller]
fn check(line: &str, want: &str) {
    assert_eq!(shown(line), want, "{line}");
}

#[test]
fn words_and_quotes() {
    check("ls -la dir", "ls·-la·dir");
    check("echo 'a b' \"c d\" e\\ f", "echo·a b·c d·e f");
    check("echo a'b'\"c\"d", "echo·abcd");
    check("echo \"a\\\"b\\n\"", "echo·a\"b\\n");
    check("echo 'unfinished", "echo·unfinished");
    check("echo \"unfinished", "echo·unfinished");
    check("echo \\", "echo·");
    check("r\\m x", "rm·x");
    check("A=1 B='x y' cmd C=2", "cmd·C=2");
    check("echo a # rm -rf", "echo·a");
    check("echo a#b", "echo·a#b");
    check("a \\\n b", "a·b");
    check("", "");
}

#[test]
fn operators() {
    check("a && b || c; d & e", "a ; b ; c ; d ; e");
    check("a|b |& c", "a | b | c");
    check("(cd x; ls) | wc", "cd·x ; ls | wc");
    check("x | (sh)", "x | sh");
    check("if true; then ls; else rm x; fi", "true ; ls ; rm·x");
    check("{ ls; }", "ls");
    check("a\nb", "a ; b");
}

#[test]
fn redirections() {
    check("a > f 2>&1", "a >f");
    check("a >f 2>>g <h", "a >f >g <h");
    check("a &>f", "a >f");
    check("a >& f", "a >f");
    check("a 2>&-", "a");
    check("echo 2 > f", "echo·2 >f");
    check("> f", " >f");
    check("cat <<< word", "cat");
    check("cat <<EOF\nrm -rf /\nEOF\nls", "cat ; ls");
    check("cat <<-'X'\n\tfoo $(a)\n\tX\nls", "cat ; ls");
    check("cat <<X\n$(a)\nX", "cat $");
    assert_eq!(parse("cat <<'E'").commands[0].here_document.as_deref(), Some("E"));
}

#[test]
fn expansions_are_reported() {
    check("echo $(ls)", "echo·$ ; ls $");
    check("echo `ls`", "echo·`ls` $");
    check("echo \"x $(ls)\"", "echo·x $(ls) $");
    check("echo ${X}", "echo·${X} $");
    check("diff <(a) b", "diff ; a ; b $");
    check("awk '{print $(NF)}' f", "awk·{print $(NF)}·f");
    check("echo '`x` ${y}'", "echo·`x` ${y}");
    check("echo \\$(x", "echo·$ ; x");
    check("echo $((1 + (2*3)))", "echo·0");
    check("echo $((1 + $(x)))", "echo·0 $");
    check("echo $((a) | (b))", "echo·$ ; a | b $");
    check("echo $HOME $1", "echo·$HOME·$1");
    check("$'\\x72m' x", "$\\x72m·x $");
    for (word, known) in [
        ("$X", 0),
        ("\"$X\"", 0),
        ("''$X", 0),
        ("r$@m", 1),
        ("/bin/r?", 6),
        ("[ab]", 0),
        ("{a,b}", 0),
        ("x`a`", 1),
        ("a$((1))", 1),
        ("'$X'", 2),
        ("\\*", 1),
        ("[", 1),
        ("{}", 2),
        ("a$", 2),
        ("\"a$\"", 2),
    ] {
        assert_eq!(parse(word).commands[0].words[0].known, known, "{word}");
    }
}

#[test]
fn compound_commands() {
    check("for x do rm y; done", "rm·y");
    check("for x in a b; do rm $x; done", "for·x·in·a·b ; rm·$x");
    check("case $1 in a|b) ls;; (*) rm x;; esac; id", "case·$1 ; ls ; rm·x ; id");
    check("A=1 case x in\nrm y\n(ls)", "case·x·in ; rm·y ; ls");
    check("i\\\nf true; then ls; fi", "true ; ls");
    check("\"A\"=1 rm x", "A=1·rm·x");
    check("ls\rrm", "ls\rrm");
}

#[test]
fn what_shells_read_differently_is_unclear() {
    for line in ["a &>f b", "a+=1 b", "a[0]=1 b", "echo \"$\\\n(a)\"", "a &\\\n& b", "case a in"] {
        assert!(parse(line).unclear, "{line}");
    }
    for line in ["a &>f", "a &>f; b", "a=1 b", "a \\\n b", "case a in a) b;; esac"] {
        assert!(!parse(line).unclear, "{line}");
    }
}
