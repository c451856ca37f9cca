use super::*;
use crate::proto::utf16::units;

#[track_caller]
fn check(markdown: &str, want: &str) {
    assert_eq!(to_telegram_html(markdown), want);
}

/// Units a reader sees, and a panic where the HTML is not well formed.
#[track_caller]
fn visible(html: &str) -> usize {
    let mut open: Vec<&str> = Vec::new();
    let mut seen = 0;
    let mut rest = html;
    while let Some(c) = rest.chars().next() {
        let length = match c {
            '<' => {
                let end = rest.find('>').expect("a tag that ends") + 1;
                let name = rest[1..end - 1].split(' ').next().expect("a name");
                match name.strip_prefix('/') {
                    Some(name) => assert_eq!(open.pop(), Some(name), "{html}"),
                    None => {
                        assert!(
                            ["b", "i", "s", "code", "pre", "a", "blockquote"].contains(&name),
                            "{html}"
                        );
                        assert!(!open.contains(&name), "nested {name} in {html}");
                        open.push(name);
                    }
                }
                end
            }
            '&' => {
                let end = rest.find(';').expect("an entity that ends") + 1;
                assert!(["&amp;", "&lt;", "&gt;", "&quot;"].contains(&&rest[..end]), "{html}");
                seen += 1;
                end
            }
            '>' => panic!("a bare > in {html}"),
            c => {
                seen += c.len_utf16();
                c.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    assert!(open.is_empty(), "{html}");
    seen
}

#[test]
fn emphasis() {
    check("plain", "plain");
    check("a **b** c", "a <b>b</b> c");
    check("a __b__ c", "a <b>b</b> c");
    check("a *b* c", "a <i>b</i> c");
    check("a _b_ c", "a <i>b</i> c");
    check("~~gone~~", "<s>gone</s>");
    check("***both***", "<b><i>both</i></b>");
    check("**bold *and italic***", "<b>bold <i>and italic</i></b>");
    check("*it **bo** it*", "<i>it <b>bo</b> it</i>");
    check("**a\nb**", "<b>a\nb</b>");
    check("**a** and **b**", "<b>a</b> and <b>b</b>");
}

#[test]
fn marks_that_are_no_emphasis_stay() {
    check("snake_case_name", "snake_case_name");
    check("2 * 3 * 4", "2 * 3 * 4");
    check("**open", "**open");
    check("**a *b** c*", "<b>a *b</b> c*");
    check("****", "****");
    check("~one~", "~one~");
    check("**a\n\nb**", "**a\n\nb**");
    check(r"\*not\*", "*not*");
    check(r"C:\path", r"C:\path");
}

#[test]
fn code_is_left_alone() {
    check("`a_b_c **x**`", "<code>a_b_c **x**</code>");
    check("``a ` b``", "<code>a ` b</code>");
    check("` x `", "<code>x</code>");
    check("`open **b**", "`open <b>b</b>");
    check("**a `**` b**", "<b>a <code>**</code> b</b>");
    check("```rust\nlet a = &b<c>;\n```", "<pre><code>let a = &amp;b&lt;c&gt;;\n</code></pre>");
    check("x\n```\na\n```\ny", "x\n<pre><code>a\n</code></pre>\ny");
    check("```\nnever closed **a**", "<pre><code>never closed **a**</code></pre>");
    check("~~~\n```\n~~~", "<pre><code>```\n</code></pre>");
    check("````\n```\n````\nz", "<pre><code>```\n</code></pre>\nz");
    check("```one line```", "<code>one line</code>");
}

#[test]
fn blocks_are_found_on_any_line() {
    check("a\n# T\nb", "a\n<b>T</b>\nb");
    check("## **T** _u_ ##", "<b>T <i>u</i></b>");
    check("#tag", "#tag");
    check("a\n- x\n  * y **b**\n+ z", "a\n• x\n  • y <b>b</b>\n• z");
    check("-x", "-x");
    check("1. one\n2. two", "1. one\n2. two");
    check("a\n> b\n> **c**\nd", "a\n<blockquote>b\n<b>c</b></blockquote>\nd");
    check("> a\n> > b", "<blockquote>a\nb</blockquote>");
    check(">", "");
    check("> - x", "<blockquote>• x</blockquote>");
    check("* **Name**: text", "• <b>Name</b>: text");
}

#[test]
fn links_come_before_emphasis() {
    check("[a_b](https://x.y/c_d_e)", "<a href=\"https://x.y/c_d_e\">a_b</a>");
    check("[**b**](http://x)", "<a href=\"http://x\"><b>b</b></a>");
    check("**[b](http://x)**", "<b><a href=\"http://x\">b</a></b>");
    check("[t](http://x/a(b)c)", "<a href=\"http://x/a(b)c\">t</a>");
    check("[t](http://x \"title\")", "<a href=\"http://x\">t</a>");
    check("[t](<http://x>)", "<a href=\"http://x\">t</a>");
    check("[t](http://x/?a=\"><b>)", "<a href=\"http://x/?a=&quot;&gt;&lt;b&gt;\">t</a>");
    check("![pic](https://x/y.png)", "<a href=\"https://x/y.png\">pic</a>");
    check("[t](file.md)", "t (file.md)");
    check("[t](javascript:x)", "t (javascript:x)");
    check("[http://a](http://b)", "<a href=\"http://b\">http://a</a>");
    check("[no]", "[no]");
    check("[no](a b)", "[no](a b)");
    check("see https://x.y/a_b_c.", "see <a href=\"https://x.y/a_b_c\">https://x.y/a_b_c</a>.");
    check("(https://x.y/a)", "(<a href=\"https://x.y/a\">https://x.y/a</a>)");
    check("**https://x.y**", "<b><a href=\"https://x.y\">https://x.y</a></b>");
    check("<https://x.y>", "<a href=\"https://x.y\">https://x.y</a>");
    check("https://", "https://");
    check("a & b < c", "a &amp; b &lt; c");
    check("nul\0bell\x07", "nulbell");
}

#[test]
fn any_mixture_is_well_formed_and_never_longer() {
    let pieces = [
        "**",
        "*",
        "_",
        "__",
        "***",
        "~~",
        "`",
        "```",
        "```\n",
        "\n",
        "> ",
        "# ",
        "- ",
        "[",
        "](",
        "http://a.b",
        ")",
        "](http://x)",
        "<",
        ">",
        "&",
        "\"",
        "\\",
        "a",
        " ",
        "é",
        "😀",
        "!",
        "||",
    ];
    let mut seed = 7u32;
    for _ in 0..20_000 {
        let mut text = String::new();
        for _ in 0..(seed >> 8) % 24 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            text.push_str(pieces[(seed >> 16) as usize % pieces.len()]);
        }
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let seen = visible(&to_telegram_html(&text));
        assert!(seen <= units(&text), "{seen} units seen of {text:?}");
    }
}

#[test]
fn hostile_marks_are_converted() {
    for piece in ["**a ", "*a _b ", "[", "[a](", "`a ``b ", "_a*", "<", "> ", "http://a**"] {
        visible(&to_telegram_html(&piece.repeat(4096 / piece.len())));
    }
}
