//! Pages and their Markdown.

use super::*;

/// A whole page at once.
fn to_markdown(html: &str) -> String {
    let mut converter = Converter::new(Style::Markdown, usize::MAX);
    converter.feed(html);
    converter.finish().text
}

#[track_caller]
fn check(html: &str, want: &str) {
    assert_eq!(to_markdown(html), want, "{html}");
    // The same in pieces of one character.
    let mut converter = Converter::new(Style::Markdown, usize::MAX);
    html.chars().for_each(|c| converter.feed(c.encode_utf8(&mut [0; 4])));
    assert_eq!(converter.finish().text, want, "{html} in pieces");
}

#[test]
fn blocks_are_separated() {
    check("<p>One<p>Two", "One\n\nTwo");
    check("<div>One</div><div>Two</div>", "One\nTwo");
    check("One<br>Two<br/><BR>Three", "One\nTwo\n\nThree");
    check("<p>One</p>\n\n<hr>\n<p>Two</p>", "One\n\n---\n\nTwo");
    check("  a \n b\t&nbsp; c  ", "a b c");
    check("a<span> b </span> c", "a b c");
    check("", "");
    check(" <p> </p> ", "");
}

#[test]
fn headings_have_hashes() {
    check("<h2>Two</h2>text", "## Two\n\ntext");
    check("<h6> <a href=/x> Six </a> </h6>", "###### [Six](/x)");
    check("<h1><div>In a block</div></h1>", "# In a block");
    check("<h1>Two<br>lines</h1>", "# Two lines");
    check("<h3></h3>text", "text");
    check("<h1>Not closed<p>text", "# Not closed\n\ntext");
    check("<a href=x><h2>T</h2><p>text</p></a>", "## [T](x)\n\ntext");
}

#[test]
fn lists_nest() {
    check("<ul><li>a<li>b</ul>c", "- a\n- b\n\nc");
    check("a<ul><li>b</ul>", "a\n\n- b");
    check("<ol><li>a<li>b<ul><li>c<li>d</ul><li>e</ol>", "1. a\n2. b\n    - c\n    - d\n3. e");
    check("<ol start=9><li>a<li>b</ol>", "9. a\n10. b");
    check("<ul><li><p>a</p><p>b</p></li><li><p>c</p></li></ul>", "- a\n\n  b\n- c");
    check("<ul><li>a<br>b</li></ul>", "- a\n  b");
    check("<ul><li></li><li> </li><li>x</li></ul>y", "- x\n\ny");
    check("<li>stray", "- stray");
    check("<ul><li><a href=/a>A</a></li></ul>", "- [A](/a)");
    check("<ul><li><h2>a</h2>b</ul>", "- ## a\n\n  b");
}

#[test]
fn quotes_are_marked() {
    check("a<blockquote>b</blockquote>c", "a\n\n> b\n\nc");
    check(
        "<blockquote><p>a<blockquote><p>b<p>c</blockquote></blockquote>",
        "> a\n>\n> > b\n> >\n> > c",
    );
    check("<blockquote><ul><li>a<li>b</ul></blockquote>", "> - a\n> - b");
    check("<blockquote>a<br>b</blockquote>", "> a\n> b");
    check("</blockquote>a", "a");
}

#[test]
fn marks_hug_their_text() {
    check("a<b> b </b>c", "a **b** c");
    check("<b></b><i> </i>a", "a");
    check("<i>a</i><em> b</em>", "*a* *b*");
    check("<b>a<strong>b</strong>c</b>", "**abc**");
    check("<b>a<i>b</b>c</i>", "**a*b****c*");
    check("<b><p>a</p><p>b</p></b>c", "**a**\n\n**b**\n\nc");
    check("<del>a</del> <code>b c</code>", "~~a~~ `b c`");
    check("<b>never closed", "**never closed**");
    check("</b>a</i></code>", "a");
}

#[test]
fn links_and_pictures() {
    check(
        "<a href='https://example.org/?a=1&amp;b=2'> x </a>.",
        "[x](https://example.org/?a=1&b=2) .",
    );
    check("<a href=/a>a</a><a href=/b>b</a>", "[a](/a)[b](/b)");
    check("<a href=/a>a <a href=/b>b", "[a](/a) [b](/b)");
    check("<a href=/a></a>b", "b");
    check("<a href=''>b</a>", "b");
    check("<A HREF=\"JAVASCRIPT:x\">b</A>", "[b](#)");
    check("<a href=/x><img src=i.png alt='A [b]'></a>", "[![A  b ](i.png)](/x)");
    check("<img src=a.png data-src=b.png>", "![](b.png)");
    check("<img src=b.png data-src='data:x'>", "![](b.png)");
    check("<img alt=x>", "");
    check("a<img src=x.png>b", "a![](x.png)b");
}

#[test]
fn preformatted_text_keeps_its_lines() {
    check("<pre>\n  a\n\n\tb &lt;c&gt;\n</pre>d", "```\n  a\n\n\tb <c>\n```\n\nd");
    check("<pre><span>a</span><br><b>b</b></pre>", "```\na\nb\n```");
    check("<pre></pre><pre>\n\n</pre>a", "a");
    check("<pre>a\n\n\n\n\n\n\nb</pre>", "```\na\n\n\nb\n```");
    check("<pre>never closed", "```\nnever closed\n```");
    check("<blockquote><pre>a\nb</pre></blockquote>", "> ```\n> a\n> b\n> ```");
    check("<ul><li>x<pre>a\nb</pre></ul>", "- x\n\n  ```\n  a\n  b\n  ```");
}

#[test]
fn tables_have_bars() {
    let head = "<table><thead><tr><th>A</th><th>B</th></tr></thead>";
    check(&format!("{head}<tr><td>1<td>2|3</table>x"), "| A | B |\n|---|---|\n| 1 | 2\\|3 |\n\nx");
    check(&format!("{head}<tr><td></td><td>2</td></tr></table>"), "| A | B |\n|---|---|\n|  | 2 |");
    check(
        &format!("{head}<tr><td><p>1</p><p>2</p></td></tr></table>"),
        "| A | B |\n|---|---|\n| 1 2 |",
    );
    check(&format!("{head}<tr><td>1</td><td></td></tr></table>"), "| A | B |\n|---|---|\n| 1 | |");
    check("<table><tr><td></td></tr><tr> </tr></table>a", "a");
    check("a<table><tr><td>b<br>c</table>", "a\n\n| b c |\n|---|");
    check("<table><tr><td><b>b</td><td>c</b></td></table>", "| **b** | **c** |\n|---|---|");
}

#[test]
fn tables_that_lay_out_a_page_fall_apart() {
    check(
        "<table><tr><td><h1>T</h1><p>a</p></td><td><ul><li>b</ul></td></tr></table>c",
        "# T\n\na\n\n- b\n\nc",
    );
    check("<table><tr><td><table><tr><td>a<td>b</table></table>", "| a | b |\n|---|---|");
    check("<table><tr><td>x<table><tr><td>a<td>b</table>y</table>", "| x a b y |\n|---|");
    check("</table></tr></td>a", "a");
}

#[test]
fn hidden_elements_are_left_out() {
    check("a<script>if (a<b) '</p>'</script>b", "ab");
    check("a<SCRIPT type=x></scr</SCRIPT >b", "ab");
    check(
        "a<style>p{}</style><noscript><p>x</noscript><template><p>x<template></template></template>b",
        "ab",
    );
    check("a<!-- <p>x -- > -->b<!doctype html><?xml a?>c<!-->d<![CDATA[x]]>e", "abcde");
    check("a<svg><title>x</title><path d='M0'/></svg>b<svg/>c", "abc");
    check("a\u{200b}\u{e0041}b\0c", "abc");
    check("a<textarea>x</textarea><select><option>x</select>b", "ab");
    check("<script>never closed", "");
}

#[test]
fn broken_markup_is_survived() {
    check("1 < 2 <3 a<", "1 < 2 <3 a<");
    check("a</>b</ x>c<div", "abc");
    check("a<div class='>'>b", "a\nb");
    check("a<div class=\">b", "a");
    check("<a href = /x  title>b</a>", "[b](/x)");
    check("<a href=/x/>b</a>", "[b](/x/)");
    check("<a/href=/x>b</a>", "[b](/x)");
    check("AT&T &amp &#x41 &copy; &bogus; &", "AT&T & A © &bogus; &");
    check("a &amp;lt;b&gt;", "a &lt;b>");
    check("<unknown-element>a</unknown-element><x y=z>b", "ab");
    let long = "x".repeat(5000);
    check(&format!("<a href='{long}'>a</a><img src='data:{long}'><{long}>b"), "ab");
}

#[test]
fn the_title_is_kept() {
    let title = |html: &str| {
        let mut converter = Converter::new(Style::Markdown, 100);
        converter.feed(html);
        converter.finish().title
    };
    assert_eq!(title("<title>\n A &amp; B </b> </title><title>C</title>"), "A & B </b>");
    assert_eq!(title("<p>x"), "");
    assert!(title(&format!("<title>{}</title>", "x".repeat(100_000))).len() < 600);
}

#[test]
fn plain_text_has_words_only() {
    let mut converter = Converter::new(Style::Plain, usize::MAX);
    converter.feed(
        "<h1>T</h1><p>a <b>b</b> <a href=/x>c</a><pre>d\n e</pre><table><tr><td>f<td>g</table><hr>",
    );
    assert_eq!(converter.finish().text, "T\n\na b c\n\nd\n e\n\nf g");
    assert_eq!(to_line("<b>a</b> &amp;\n<p>b"), "a & b");
}

#[test]
fn writing_stops_at_the_limit() {
    let mut converter = Converter::new(Style::Markdown, 10);
    converter.feed("<b>0123456789abcdef");
    assert!(converter.is_full());
    let page = converter.finish();
    assert!(page.cut);
    assert_eq!(page.text, "**01234567**");
}

/// Much of each must take time and text in proportion; quadratic work would take minutes.
#[test]
fn hostile_pages_are_linear() {
    let pieces = [
        "<",
        "<div>",
        "<ul><li>x",
        "<blockquote>x",
        "<b>",
        "<a href=x>",
        "<table><tr><td>",
        "<table><tr><td>x",
        "&",
        "&#",
        "</",
        "<!--",
        "<script>",
        "<a href=\"",
        "<pre>\n",
        "<i>x",
        "<h1>x",
        "<title>",
        "<svg>",
        "<ol><li>",
        "<td>x",
        "|",
        "\u{200b}",
    ];
    for (i, piece) in pieces.iter().enumerate() {
        let bytes = if i < 2 { 1 << 20 } else { 1 << 18 };
        let html = piece.repeat(bytes / piece.len());
        let start = std::time::Instant::now();
        let out = to_markdown(&html);
        assert!(out.len() <= 16 * html.len(), "{piece}: {}", out.len());
        assert!(start.elapsed().as_secs() < 20, "{piece}");
    }
}

/// Pieces of markup, broken and whole.
const PIECES: &[&str] = &[
    "<",
    ">",
    "/",
    "=",
    "\"",
    "'",
    "&",
    ";",
    "#x41",
    " ",
    "\n",
    "é",
    "<!--",
    "-->",
    "<![CDATA[",
    "<?",
    "<a href=x>",
    "</a>",
    "<b>",
    "</b>",
    "<i>",
    "</i>",
    "<code>",
    "</code>",
    "<ul>",
    "<ol start=7>",
    "<li>",
    "</li>",
    "</ul>",
    "</ol>",
    "<pre>",
    "</pre>",
    "<table>",
    "<tr>",
    "<td>",
    "</td>",
    "</tr>",
    "</table>",
    "<h2>",
    "</h2>",
    "<p>",
    "<br>",
    "<blockquote>",
    "</blockquote>",
    "<script>",
    "</script>",
    "<svg>",
    "</svg>",
    "<title>",
    "</title>",
    "<img src=y alt=z>",
    "<hr>",
    "word",
];

/// Markup put together at random: every state meets every other, and where the pieces are cut changes nothing.
#[test]
fn random_markup_never_panics() {
    let mut seed = 1u64;
    for _ in 0..3000 {
        let mut html = String::new();
        for _ in 0..40 {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            html.push_str(PIECES[(seed >> 33) as usize % PIECES.len()]);
        }
        let mut converter = Converter::new(Style::Markdown, (seed >> 40) as usize % 200);
        html.chars().for_each(|c| converter.feed(c.encode_utf8(&mut [0; 4])));
        converter.finish();
        let mut whole = Converter::new(Style::Plain, usize::MAX);
        whole.feed(&html);
        let text = whole.finish().text;
        assert_eq!(text, text.trim_end(), "{html}");
    }
}
