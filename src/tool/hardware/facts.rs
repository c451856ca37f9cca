//! The board's facts for the tools: devices that carry Wi-Fi, the boot medium or the console are refused.
//!
//! The image has them in [`FILE`] (`scripts/image/board-facts NAME`, `KEY='value'` lines). Entries are `DEVICE:REASON`; for lines
//! `NAME@CHIP/LINE:REASON`, where CHIP is the controller's folder in `/sys` and NAME is from the board's manual.

use crate::environment;
use crate::limits::BOARD_FILE_BYTES;
use crate::sys::files::read_bounded;

/// The image's file; the daemon's variable `PICOCLAW_BOARD_FILE` names another file.
pub const FILE: &str = "/etc/picoclaw/board.conf";

/// The facts; empty if the board is unknown.
///
/// # Errors
/// The file exists and cannot be read, so the refused devices are unknown.
pub fn read() -> Result<String, String> {
    let path = std::env::var(environment::BOARD_FILE).unwrap_or_else(|_| FILE.into());
    let opened = match std::fs::File::open(&path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(String::new()),
        opened => opened,
    };
    opened
        .and_then(|file| read_bounded(file, BOARD_FILE_BYTES))
        .map_err(|e| e.to_string())
        .and_then(|bytes| String::from_utf8(bytes).map_err(|_| "not UTF-8 text".into()))
        .map_err(|why| format!("{path}, which says what this board forbids: {why}"))
}

/// The value of a key, or nothing.
pub fn value<'a>(facts: &'a str, key: &str) -> &'a str {
    let mut lines = facts.lines().filter_map(|line| line.trim().split_once('='));
    lines.rfind(|(k, _)| *k == key).map_or("", |(_, v)| v.trim_matches(['\'', '"']))
}

/// Checks that this device may be used on this board.
///
/// # Errors
/// No, with the reason.
pub fn allowed(rule: &str, device: &str, line: Option<u32>) -> Result<(), String> {
    let facts = read()?;
    let Some(why) = refusal(&facts, rule, device, line, &chip_path(device)) else { return Ok(()) };
    let at = line.map(|n| format!(" line {n}")).unwrap_or_default();
    Err(format!(
        "refused: {device}{at} carries {why} on this board ({}). The owner can change that in {FILE}, the assistant cannot",
        value(&facts, "TITLE")
    ))
}

/// What a rule refuses, for a list.
pub fn refused(rule: &str) -> String {
    match read() {
        Ok(facts) if facts.is_empty() => "nothing: this board is unknown, so take care".into(),
        Ok(facts) => value(&facts, rule).to_owned(),
        Err(e) => e,
    }
}

/// The chip's path in the kernel; empty if unknown.
fn chip_path(device: &str) -> String {
    let Some(chip) = device.strip_prefix("/dev/gpiochip") else { return String::new() };
    let link = std::fs::read_link(format!("/sys/bus/gpio/devices/gpiochip{chip}"));
    link.map(|p| p.to_string_lossy().into_owned()).unwrap_or_default()
}

fn refusal(facts: &str, rule: &str, device: &str, line: Option<u32>, chip: &str) -> Option<String> {
    let console = ["/dev/", value(facts, "CONSOLE")].concat();
    if rule == "UART_REFUSED" && device == console {
        return Some("the console".into());
    }
    for entry in value(facts, rule).split_whitespace() {
        let (what, why) = entry.split_once(':').unwrap_or((entry, "something vital"));
        let why = why.replace('_', " ");
        match (line, what.split_once('@').and_then(|(name, at)| Some((name, at.split_once('/')?))))
        {
            (Some(line), Some((name, (controller, number)))) => {
                // If the chip's path is unknown, the line is refused on all chips.
                let there = chip.is_empty() || chip.split('/').any(|part| part == controller);
                if there && number.parse() == Ok(line) {
                    return Some(format!("{why} ({name})"));
                }
            }
            _ if what == device => return Some(why),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const NANO: &str = "BOARD='licheerv_nano'\nTITLE='Sipeed LicheeRV Nano'\nCONSOLE='ttyS0'\n\
        I2C_REFUSED='/dev/i2c-1:Wi-Fi /dev/i2c-3:Wi-Fi'\nSPI_REFUSED='/dev/spidev2.0:Wi-Fi'\n\
        GPIO_REFUSED='GPIOA26@3020000.gpio/26:Wi-Fi_power P21@5021000.gpio/21:Wi-Fi'\n";

    #[track_caller]
    fn check(rule: &str, device: &str, line: Option<u32>, chip: &str, want: &str) {
        let got = refusal(NANO, rule, device, line, chip).unwrap_or_default();
        assert_eq!(got, want, "{device} {line:?}");
    }

    #[test]
    fn vital_devices_are_refused() {
        check("I2C_REFUSED", "/dev/i2c-1", None, "", "Wi-Fi");
        check("I2C_REFUSED", "/dev/i2c-5", None, "", "");
        check("I2C_REFUSED", "/dev/i2c-10", None, "", "");
        check("SPI_REFUSED", "/dev/spidev2.0", None, "", "Wi-Fi");
        check("SPI_REFUSED", "/dev/i2c-1", None, "", "");
        check("UART_REFUSED", "/dev/ttyS0", None, "", "the console");
        check("UART_REFUSED", "/dev/ttyS1", None, "", "");
        let chip = "../../../devices/platform/soc/3020000.gpio/gpiochip0";
        let other = "../../../devices/platform/soc/5021000.gpio/gpiochip4";
        let power = "Wi-Fi power (GPIOA26)";
        check("GPIO_REFUSED", "/dev/gpiochip0", Some(26), chip, power);
        check("GPIO_REFUSED", "/dev/gpiochip0", Some(27), chip, "");
        check("GPIO_REFUSED", "/dev/gpiochip4", Some(26), other, "");
        check("GPIO_REFUSED", "/dev/gpiochip4", Some(21), other, "Wi-Fi (P21)");
        check("GPIO_REFUSED", "/dev/gpiochip0", Some(26), "", power);
    }

    #[test]
    fn values_are_the_last_ones_written_and_broken_files_refuse_nothing() {
        assert_eq!(value("A=1\nA='2'\n#A=3\nB", "A"), "2");
        assert_eq!(value("", "A"), "");
        assert_eq!(refusal("", "I2C_REFUSED", "/dev/i2c-1", None, ""), None);
        let odd = "GPIO_REFUSED='X@y:z @/: /dev/gpiochip0'";
        assert_eq!(refusal(odd, "GPIO_REFUSED", "/dev/gpiochip1", Some(0), ""), None);
        let why = refusal(odd, "GPIO_REFUSED", "/dev/gpiochip0", Some(0), "");
        assert_eq!(why.as_deref(), Some("something vital"));
    }
}
