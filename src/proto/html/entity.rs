//! Character references of HTML: the named ones that pages use in practice, and all numeric ones.

use crate::proto::charset::windows_1252_high;

/// Maximum bytes between `&` and `;`; longer runs are plain text.
pub const REFERENCE_BYTES: usize = 16;

/// Names and their characters, space-separated; the most frequent ones come first.
const NAMED: &str = "\
    amp& lt< gt> quot\" nbsp\u{a0} AEligÆ AacuteÁ AcircÂ AgraveÀ AlphaΑ AringÅ AtildeÃ AumlÄ BetaΒ \
    CcedilÇ Dagger‡ DeltaΔ ETHÐ EacuteÉ EcircÊ EgraveÈ EumlË GammaΓ IacuteÍ IcircÎ IgraveÌ IumlÏ \
    LambdaΛ NtildeÑ OEligŒ OacuteÓ OcircÔ OgraveÒ OmegaΩ OslashØ OtildeÕ OumlÖ PhiΦ PiΠ Prime″ \
    PsiΨ ScaronŠ SigmaΣ THORNÞ ThetaΘ UacuteÚ UcircÛ UgraveÙ UumlÜ YacuteÝ YumlŸ aacuteá acircâ \
    acute´ aeligæ agraveà alphaα apos' aringå asymp≈ atildeã aumlä bdquo„ betaβ brvbar¦ bull• \
    ccedilç cedil¸ cent¢ check✓ circˆ colon: comma, copy© crarr↵ curren¤ dagger† darr↓ deg° deltaδ \
    divide÷ eacuteé ecircê egraveè emsp\u{2003} ensp\u{2002} epsilonε equiv≡ etaη ethð eumlë euro€ \
    fnofƒ frac12½ frac14¼ frac34¾ frasl⁄ gammaγ ge≥ harr↔ hearts♥ hellip… iacuteí icircî iexcl¡ \
    igraveì infin∞ iquest¿ iumlï kappaκ lambdaλ laquo« larr← ldquo“ le≤ lpar( lsaquo‹ lsqb[ lsquo‘ \
    macr¯ mdash— microµ middot· minus− muμ ndash– ne≠ newline\n not¬ ntildeñ num# oacuteó ocircô \
    oeligœ ograveò omegaω ordfª ordmº oslashø otildeõ oumlö para¶ permil‰ phiφ piπ plusmn± pound£ \
    prime′ prod∏ psiψ radic√ raquo» rarr→ rdquo” reg® rhoρ rpar) rsaquo› rsqb] rsquo’ sbquo‚ \
    scaronš sect§ shy\u{ad} sigmaσ sol/ star☆ sum∑ sup1¹ sup2² sup3³ szligß tauτ thetaθ \
    thinsp\u{2009} thornþ tilde˜ times× trade™ uacuteú uarr↑ ucircû ugraveù uml¨ uumlü vert| \
    yacuteý yen¥ yumlÿ zwj\u{200d} zwnj\u{200c}";

/// The character of the reference between `&` and `;`.
///
/// Numbers that are no character become U+FFFD, those of 0x80 to 0x9F mean Windows-1252 (HTML, 13.2.5.80).
pub fn lookup(reference: &str) -> Option<char> {
    let Some(number) = reference.strip_prefix('#') else {
        // The five basic ones are also written in capitals.
        return named(reference).or(match reference {
            "AMP" => Some('&'),
            "LT" => Some('<'),
            "GT" => Some('>'),
            "QUOT" => Some('"'),
            "COPY" => Some('©'),
            "Tab" => Some('\t'),
            "NewLine" => Some('\n'),
            _ => None,
        });
    };
    let code = match number.strip_prefix(['x', 'X']) {
        Some(hex) if hex.bytes().all(|b| b.is_ascii_hexdigit()) && !hex.is_empty() => {
            u32::from_str_radix(hex, 16)
        }
        None if number.bytes().all(|b| b.is_ascii_digit()) && !number.is_empty() => number.parse(),
        _ => return None,
    };
    Some(match code.unwrap_or(u32::MAX) {
        0 => '\u{fffd}',
        code @ 0x80..=0x9f => windows_1252_high(code as u8),
        code => char::from_u32(code).unwrap_or('\u{fffd}'),
    })
}

fn named(name: &str) -> Option<char> {
    let mut characters = NAMED.split(' ').filter_map(|n| n.strip_prefix(name)).map(str::chars);
    characters.find(|c| c.clone().count() == 1)?.next()
}

/// The same for a reference without `;`: numbers, and the few names that old pages write so.
pub fn lookup_unfinished(reference: &str) -> Option<char> {
    match reference {
        "amp" | "lt" | "gt" | "quot" | "nbsp" | "copy" | "reg" => lookup(reference),
        _ if reference.starts_with('#') => lookup(reference),
        _ => None,
    }
}

/// Text with its references replaced; invalid ones are left as written. One pass: `&amp;lt;` gives `&lt;`.
pub fn decode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let len = after
            .bytes()
            .take(REFERENCE_BYTES)
            .take_while(|b| b.is_ascii_alphanumeric() || *b == b'#')
            .count();
        let (name, tail) = after.split_at(len);
        let (found, tail) = match tail.strip_prefix(';') {
            Some(tail) => (lookup(name), tail),
            None => (lookup_unfinished(name), tail),
        };
        match found {
            Some(c) => {
                out.push(c);
                rest = tail;
            }
            None => {
                out.push('&');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_valid_and_unique() {
        let mut names: Vec<&str> = NAMED
            .split(' ')
            .map(|n| n.trim_end_matches(|c: char| !c.is_ascii_alphanumeric()))
            .collect();
        assert_eq!(names.len(), 191);
        assert!(names.iter().all(|n| !n.is_empty() && n.len() <= REFERENCE_BYTES));
        assert!(names.iter().all(|n| lookup(n).is_some_and(|c| !c.is_ascii_alphanumeric())));
        names.sort_unstable();
        assert!(names.windows(2).all(|w| w[0] != w[1]));
        assert_eq!((lookup("sup2"), lookup("sup"), lookup("")), (Some('²'), None, None));
    }

    #[track_caller]
    fn check(text: &str, want: &str) {
        assert_eq!(decode(text), want);
    }

    #[test]
    fn references_are_replaced_once() {
        check("a &lt;b&gt; &amp;amp; c", "a <b> &amp; c");
        check("&Uuml;ber &uuml;ber", "Über über");
        check("&#65;&#x42;&#X43;", "ABC");
        check("&#128; &#x93;", "€ “");
        check("&#0; &#xD800; &#99999999999;", "\u{fffd} \u{fffd} \u{fffd}");
    }

    #[test]
    fn other_ampersands_stay() {
        check("AT&T & co &; &# &#; &#x; &nosuch; &", "AT&T & co &; &# &#; &#x; &nosuch; &");
        check("a &lt b &copy2024 &#65 c", "a < b &copy2024 A c");
        check(
            "&aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa;",
            "&aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa;",
        );
    }
}
