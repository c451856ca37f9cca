//! SNTP (RFC 4330, RFC 5905 section 14): one request, one answer, the offset between two clocks.
//!
//! Pure: no socket, no clock. Never trusts an answer without our nonce.

use std::fmt;

/// Bytes of a packet without extensions.
pub const PACKET_BYTES: usize = 48;
/// Default port.
pub const PORT: u16 = 123;
/// Seconds from the NTP epoch (1900) to the Unix epoch.
const EPOCHS: i64 = 2_208_988_800;
/// Seconds of an NTP era: the 32-bit counter starts anew in February 2036.
const ERA: i64 = 1 << 32;

/// Why an answer is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Fewer than [`PACKET_BYTES`].
    Short,
    /// Not a server's answer (mode 4) of a version we speak.
    NotAnAnswer,
    /// Not an answer to our request: late, or forged by somebody who did not see it.
    Nonce,
    /// The server has no time itself (leap 3, stratum over 15, or zero timestamps).
    Unsynchronised,
    /// The server asks us to stay away (stratum 0); its four letters, e.g. `RATE`.
    Kiss([u8; 4]),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::Short => f.write_str("the answer is too short"),
            Refused::NotAnAnswer => f.write_str("not an SNTP answer"),
            Refused::Nonce => f.write_str("not an answer to this request"),
            Refused::Unsynchronised => f.write_str("the server has no time itself"),
            Refused::Kiss(code) => {
                f.write_str("the server refuses: ")?;
                code.iter()
                    .filter(|b| b.is_ascii_alphanumeric())
                    .try_for_each(|b| write!(f, "{}", *b as char))
            }
        }
    }
}

/// When the server got the request and sent the answer; nanoseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timestamps {
    /// Request received.
    pub received: i64,
    /// Answer sent.
    pub sent: i64,
}

/// A client request. `nonce` replaces our clock's time: the server returns it, and does not learn our time.
pub fn request(nonce: u64) -> [u8; PACKET_BYTES] {
    let mut packet = [0; PACKET_BYTES];
    // Leap 0, version 4, mode 3 (client).
    packet[0] = 0b00_100_011;
    packet[40..48].copy_from_slice(&nonce.to_be_bytes());
    packet
}

/// Reads an answer. `floor` (Unix seconds) is a time known to be past; it determines the era.
pub fn answer(packet: &[u8], nonce: u64, floor: i64) -> Result<Timestamps, Refused> {
    if packet.len() < PACKET_BYTES {
        return Err(Refused::Short);
    }
    let (leap, version, mode) = (packet[0] >> 6, packet[0] >> 3 & 7, packet[0] & 7);
    if mode != 4 || !(1..=4).contains(&version) {
        return Err(Refused::NotAnAnswer);
    }
    if packet[24..32] != nonce.to_be_bytes() {
        return Err(Refused::Nonce);
    }
    let stratum = packet[1];
    if stratum == 0 {
        return Err(Refused::Kiss([packet[12], packet[13], packet[14], packet[15]]));
    }
    let (received, sent) = (timestamp(packet, 32, floor), timestamp(packet, 40, floor));
    let (Some(received), Some(sent)) = (received, sent) else {
        return Err(Refused::Unsynchronised);
    };
    if leap == 3 || stratum > 15 || sent < received {
        return Err(Refused::Unsynchronised);
    }
    Ok(Timestamps { received, sent })
}

/// Nanoseconds to add to our clock. `asked` and `heard` are our clock's nanoseconds when the request left and the
/// answer came. Saturates: our clock may be decades off.
pub fn offset(asked: i64, heard: i64, answer: &Timestamps) -> i64 {
    let (there, back) = (
        i128::from(answer.received) - i128::from(asked),
        i128::from(answer.sent) - i128::from(heard),
    );
    // A shift: a 128-bit division would cost a kilobyte of code.
    ((there + back) >> 1).clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
}

/// Unix nanoseconds of the timestamp at `at`, in the first era that is not before `floor`. None for zero.
fn timestamp(packet: &[u8], at: usize, floor: i64) -> Option<i64> {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&packet[at..at + 8]);
    let value = u64::from_be_bytes(bytes);
    if value == 0 {
        return None;
    }
    let (mut seconds, fraction) = ((value >> 32) as i64 - EPOCHS, value & 0xffff_ffff);
    // A day of slack: floor may be a little ahead of a server.
    while seconds < floor - 86_400 {
        seconds += ERA;
    }
    let nanos = ((fraction * 1_000_000_000) >> 32) as i64;
    seconds.checked_mul(1_000_000_000)?.checked_add(nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: u64 = 0x0102_0304_0506_0708;
    /// 2026-11-21 00:00 UTC.
    const NOW: i64 = 1_795_219_200;

    fn packet(first: u8, stratum: u8, unix: i64) -> [u8; 48] {
        let mut p = [0; 48];
        p[0] = first;
        p[1] = stratum;
        p[12..16].copy_from_slice(b"RATE");
        p[24..32].copy_from_slice(&NONCE.to_be_bytes());
        let seconds = ((unix + EPOCHS) & 0xffff_ffff) as u64;
        p[32..40].copy_from_slice(&(seconds << 32 | 0x8000_0000).to_be_bytes());
        p[40..48].copy_from_slice(&(seconds << 32 | 0xc000_0000).to_be_bytes());
        p
    }

    #[track_caller]
    fn check(packet: &[u8], want: Result<i64, Refused>) {
        assert_eq!(answer(packet, NONCE, NOW).map(|a| a.sent / 1_000_000), want);
    }

    #[test]
    fn answers() {
        check(&packet(0x24, 2, NOW), Ok(NOW * 1000 + 750));
        check(&packet(0x1c, 1, NOW + 5), Ok((NOW + 5) * 1000 + 750));
        check(&packet(0x24, 2, NOW)[..47], Err(Refused::Short));
        check(&[], Err(Refused::Short));
        check(&packet(0x23, 2, NOW), Err(Refused::NotAnAnswer));
        check(&packet(0x3c, 2, NOW), Err(Refused::NotAnAnswer));
        check(&packet(0xe4, 2, NOW), Err(Refused::Unsynchronised));
        check(&packet(0x24, 16, NOW), Err(Refused::Unsynchronised));
        check(&packet(0x24, 0, NOW), Err(Refused::Kiss(*b"RATE")));
    }

    #[test]
    fn a_strange_nonce_zero_times_and_times_in_reverse_are_refused() {
        let mut p = packet(0x24, 2, NOW);
        p[31] ^= 1;
        check(&p, Err(Refused::Nonce));
        let mut p = packet(0x24, 2, NOW);
        p[40..48].fill(0);
        check(&p, Err(Refused::Unsynchronised));
        let mut p = packet(0x24, 2, NOW);
        p[40..44].copy_from_slice(&((NOW - 10 + EPOCHS) as u32).to_be_bytes());
        check(&p, Err(Refused::Unsynchronised));
    }

    #[test]
    fn the_era_after_2036_is_told_by_the_floor() {
        let later = 2_200_000_000;
        let p = packet(0x24, 2, later);
        assert_eq!(answer(&p, NONCE, NOW).map(|a| a.sent / 1_000_000_000), Ok(later));
        assert_eq!(answer(&p, NONCE, later - 100).map(|a| a.sent / 1_000_000_000), Ok(later));
    }

    #[test]
    fn the_offset_is_the_mean_of_both_ways() {
        let a = Timestamps { received: 1_000_000_150, sent: 1_000_000_160 };
        assert_eq!(offset(100, 210, &a), 1_000_000_000);
        // From 1970 to today.
        let now = NOW * 1_000_000_000;
        assert_eq!(offset(0, 0, &Timestamps { received: now, sent: now }), now);
    }

    #[test]
    fn a_request_carries_nothing_but_the_nonce() {
        let p = request(NONCE);
        assert_eq!(p[0], 0x23);
        assert_eq!(p[40..48], NONCE.to_be_bytes());
        assert!(p[1..40].iter().all(|b| *b == 0));
    }
}
