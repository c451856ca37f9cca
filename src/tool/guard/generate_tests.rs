//! Generates command lines of quoting, expansions, operators, compound commands and programs that run others.

use super::dash_tests::STUBS;

pub(super) struct Generator(pub u64);

impl Generator {
    fn below(&mut self, n: usize) -> usize {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % n
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    /// A program's name, spelled in some way.
    fn name(&mut self) -> String {
        let name = self.one(STUBS);
        let (head, tail) = name.split_at(1);
        let spellings = [
            name.to_owned(),
            name.to_owned(),
            name.to_owned(),
            format!("'{name}'"),
            format!("\"{name}\""),
            format!("{head}\\{tail}"),
            format!("{head}''{tail}"),
            format!("''{name}"),
            format!("{head}\\\n{tail}"),
            format!("{head}$@{tail}"),
            format!("\"$@{name}\""),
            format!("$u {name}"),
            "$a".into(),
            "\"$a\"".into(),
            "''$a".into(),
            "${a}".into(),
            format!("$(echo {name})"),
            format!("`echo {name}`"),
            "r?".into(),
            "[r]m".into(),
            "c*".into(),
            "./rm".into(),
            "\"BIN\"/rm".into(),
            format!("{head}\"$u\"{tail}"),
        ];
        let at = self.below(spellings.len());
        spellings[at].clone()
    }

    fn arguments(&mut self) -> String {
        const WORDS: &[&str] = &[
            "x",
            "-rf",
            "'-rf'",
            "-\"r\"f",
            "\"a b\"",
            "a\\ b",
            "$a",
            "\"$a\"",
            "*",
            "$((1 + 1))",
            ">f",
            "2>&1",
            "<f",
            ">>f",
            ">|f",
            "'$a'",
            "\"\"",
            "''",
            "a=b",
            "#x",
            "x#",
            "if",
            "2>f",
            "'\\'",
            "\\'",
            "\\\n",
            "'a\nb'",
            "r{m,x}",
            "~",
            "&>f",
            ">&2",
            "in",
            "do",
            "esac",
            "{}",
            "'#'",
            "\"`echo rm`\"",
        ];
        let count = self.below(4);
        (0..count).map(|_| format!(" {}", self.one(WORDS))).collect()
    }

    fn simple(&mut self) -> String {
        const BEFORE: &[&str] = &[
            "",
            "",
            "",
            "",
            "",
            "A=1 ",
            ">f ",
            "A='x y' ",
            "! ",
            "2>&1 ",
            "a=rm; ",
            "A+=1 ",
            "'A'=1 ",
            "PATH=. ",
            "a=rm ",
            "A=1 >f B=2 ",
            "\\\n",
            "<f ",
            "A=$(rm y) ",
        ];
        let before = self.one(BEFORE);
        [before, &self.name(), &self.arguments()].concat()
    }

    fn wrapped(&mut self, depth: usize) -> String {
        let inner = self.simple();
        let quoted = {
            let list = self.list(depth + 1);
            self.quoted(&list)
        };
        let before = self.one(&[
            "env",
            "env A=1",
            "env -i PATH=\"BIN\"",
            "env -u A",
            "env -",
            "nice",
            "nice -n 5",
            "nice -5",
            "nice -n5",
            "timeout 5",
            "timeout -s KILL 5",
            "timeout --signal KILL 5",
            "timeout -k1 5",
            "timeout --foreground 5",
            "nohup",
            "setsid -w",
            "stdbuf -oL",
            "echo x | xargs",
            "exec",
            "echo x | xargs -n1",
            "echo x | xargs -I X",
            "echo rm | xargs -I{} {}",
            "command",
            "echo x | xargs -n 1 -P 2",
            "env nice timeout 5",
            "env -- nice --",
            "nohup env -i A=1",
            "env -C .",
            "env --chdir=.",
            "env --chdir .",
            "setpriv",
            "echo 'rm y' | xargs",
            "env \"$u\"A=1",
            "env \"A=$a\"",
            "timeout \"$n\"",
            "time",
            "echo x | xargs -r -0",
        ]);
        match self.below(14) {
            0..6 => format!("{before} {inner}"),
            6 | 7 => format!(
                "{} {quoted}",
                self.one(&["sh -c", "sh -ec", "dash -c", "env sh -c", "sh -e -c", "sh -c --"])
            ),
            8 => format!("find . -maxdepth 0 -exec {inner} {{}} \\;"),
            9 => format!("find . -maxdepth 0 -exec sh -c {quoted} \\;"),
            10 => format!(
                "{} {quoted}",
                self.one(&["eval", "trap -- ", "env -S", "env --split-string"])
            ),
            11 => format!("trap {quoted} {}", self.one(&["EXIT", "0", "EXIT INT"])),
            12 => self.coded(),
            _ => format!(
                "{} sh -c {quoted}",
                self.one(&["echo x | xargs", "xargs -I{} <f", "nice", "timeout 5"])
            ),
        }
    }

    /// A program that carries another in an argument.
    fn coded(&mut self) -> String {
        self.one(&[
            "awk 'BEGIN { system(\"rm x\") }'",
            "awk 'BEGIN { print \"x\" | \"rm y\" }'",
            "awk 'BEGIN { \"rm x\" | getline }'",
            "echo x | sed '1e rm x'",
            "echo x | sed 's/x/rm x/e'",
            "echo x | sed -n 'b;e rm x'",
            "echo x | sed 's/x/y/;p'",
            "awk 'BEGIN { print 1 || 2 }'",
            "perl -e 'system(\"rm x\")'",
            "echo x | split --filter='rm x'",
            "echo x | sed -e '1{' -e 'e rm x' -e '}'",
            "tar cf /dev/null --checkpoint=1 --checkpoint-action=exec='rm x' x",
            "tar cf /dev/null --checkpoint=1 --checkpoint-act=exec='rm x' x",
            "echo 'rm x' | sh",
            "sh <script",
            "sh script",
            ". ./script",
            "tar -cIrm -f f x",
            "echo 'rm x' >script2; sh ./script2",
            "echo x | sed 's/x/y/;s/a/b/w f'",
            "sh -s <script",
            "command -v rm",
            "alias ls=rm\nls x",
            "echo x | sed '1{s/x/y/;e rm x\n}'",
            "echo x | sed 'a x\ne rm x'",
            "find . -name rm -exec {} x \\;",
        ])
        .to_owned()
    }

    /// `text` as one word of a shell.
    fn quoted(&mut self, text: &str) -> String {
        if self.below(2) == 0 {
            return format!("'{}'", text.replace('\'', "'\\''"));
        }
        let mut out = String::from("\"");
        let escape = self.below(3) > 0;
        for c in text.chars() {
            if matches!(c, '"' | '\\') || (escape && matches!(c, '$' | '`')) {
                out.push('\\');
            }
            out.push(c);
        }
        out + "\""
    }

    fn compound(&mut self, depth: usize) -> String {
        let (a, b) = (self.list(depth + 1), self.list(depth + 1));
        match self.below(14) {
            0 => format!("({a})"),
            1 => format!("{{ {a}; }}"),
            2 => format!("if {a}; then {b}; else {a}; fi"),
            3 => format!("for x in 1 2; do {a}; done"),
            4 => format!("for x do {a}; done; {b}"),
            5 => format!("case x in y) {a};; x|z) {b};; esac"),
            6 => format!("case x in (x) {a}\n;; *) {b}; esac; ls"),
            7 => format!("f() {{ {a}; }}; f {}", self.one(&["", "rm x", "$a"])),
            8 => format!("cat <<E\n{b}\nE\n{a}"),
            9 => format!("cat <<'E' >f; {a}\n{b}\nE\n{a}"),
            10 => format!("cat <<-E\n\tx\n\tE\n{a}"),
            11 => format!("while ! {a}; do {b}; break; done"),
            12 => format!("f() {a}\nf"),
            _ => format!("set -- {}; \"$@\"; {a}", self.one(&["rm x", "ls", "-- rm"])),
        }
    }

    /// A command line.
    pub(super) fn list(&mut self, depth: usize) -> String {
        let mut out = String::new();
        let mut more = true;
        while more {
            out += &match self.below(10) {
                0..5 => self.simple(),
                5..8 if depth < 3 => self.wrapped(depth),
                8 if depth < 2 => self.compound(depth),
                _ => self.simple(),
            };
            more = self.below(3) == 0;
            if more {
                out += self.one(&[
                    "; ", " && ", " || ", " | ", " & ", "\n", ";", "|", "&&", " # x\n", " &\\\n& ",
                    "\r", " |\n", "\\\n; ", " &>f ", "\t",
                ]);
            }
        }
        out
    }
}
