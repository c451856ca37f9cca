//! Arguments, refusals, devices that are not there.

use super::job::{HardwareCall, hex, names, read_result};
use super::*;
use crate::limits::{GPIO_LINES, HARDWARE_LISTED, I2C_BYTES, SERIAL_BYTES, SPI_BYTES};
use crate::tool::args::Args;
use crate::tool::context::ToolContext;
use crate::tool::schema;

fn made(name: &str, arguments: &str) -> Result<HardwareCall, String> {
    let spec = crate::tool::spec(name).expect("a tool");
    let args = schema::parse(name, spec.schema, arguments)?;
    match name {
        "i2c" => i2c::job(&args),
        "spi" => spi::job(&args),
        "serial" => serial::job(&args, &["/dev/pts/77".into()]),
        "gpio" => gpio::job(&args),
        _ => Ok(board::job()),
    }
}

/// `want`: the device and its rule, or a part of the error.
#[track_caller]
fn check(name: &str, arguments: &str, want: &str) {
    match made(name, arguments) {
        Ok(job) => assert_eq!([&job.device, " ", job.rule].concat().trim(), want, "{arguments}"),
        Err(e) => assert!(want.starts_with('!') && e.contains(&want[1..]), "{arguments}: {e}"),
    }
}

fn numbers(n: i64) -> String {
    vec!["7"; n as usize].join(",")
}

#[test]
fn i2c_arguments() {
    let on = "/dev/i2c-1 I2C_REFUSED";
    check("i2c", r#"{"action":"detect"}"#, "/sys");
    check("i2c", r#"{"action":"scan","bus":"1"}"#, on);
    check("i2c", r#"{"action":"read","bus":"1","address":72}"#, on);
    check("i2c", r#"{"action":"read","bus":"1","address":72,"register":255,"length":256}"#, on);
    check("i2c", r#"{"action":"write","bus":"1","address":3,"data":[0,255]}"#, on);
    check("i2c", "{}", "!missing required property");
    check("i2c", r#"{"action":"erase"}"#, "!not in enum");
    for bus in ["", "x", "../null", "1/../null", "-1", "12345", "1 ", "\u{661}"] {
        check("i2c", &format!(r#"{{"action":"scan","bus":"{bus}"}}"#), "!bus must be");
    }
    check("i2c", r#"{"action":"read","bus":"1"}"#, "!address must be");
    check("i2c", r#"{"action":"read","bus":"1","address":2}"#, "!below the minimum");
    check("i2c", r#"{"action":"read","bus":"1","address":120}"#, "!above the maximum");
    check("i2c", r#"{"action":"read","bus":"1","address":"0x48"}"#, "!expected integer");
    check("i2c", r#"{"action":"read","bus":"1","address":9,"length":257}"#, "!above the maximum");
    check("i2c", r#"{"action":"write","bus":"1","address":9}"#, "!data must be 1 to 256");
    check("i2c", r#"{"action":"write","bus":"1","address":9,"data":[]}"#, "!data must be 1 to");
    check("i2c", r#"{"action":"write","bus":"1","address":9,"data":[256]}"#, "!above the maximum");
    let full = |n| format!(r#"{{"action":"write","bus":"1","address":9,"data":[{}]}}"#, numbers(n));
    check("i2c", &full(I2C_BYTES), on);
    check("i2c", &full(I2C_BYTES + 1), "!data must be 1 to 256");
    check("i2c", r#"{"action":"scan","bus":"1","confirm":true}"#, "!unexpected property");
}

#[test]
fn spi_arguments() {
    let on = "/dev/spidev2.0 SPI_REFUSED";
    check("spi", r#"{"action":"list"}"#, "/sys");
    check("spi", r#"{"action":"read","device":"2.0","length":4096}"#, on);
    check("spi", r#"{"action":"transfer","device":"2.0","data":[1],"mode":3,"bits":32}"#, on);
    check("spi", r#"{"action":"read","device":"2.0"}"#, "!length is required");
    for device in ["", "2", "2.", ".0", "2.0.0", "../../etc/x.0", "2.0/", "123456.0", "a.b"] {
        let call = format!(r#"{{"action":"read","device":"{device}","length":1}}"#);
        check("spi", &call, "!device must be");
    }
    check("spi", r#"{"action":"read","device":"2.0","length":4097}"#, "!above the maximum");
    check("spi", r#"{"action":"read","device":"2.0","length":1,"speed":0}"#, "!below the minimum");
    check("spi", r#"{"action":"read","device":"2.0","length":1,"mode":4}"#, "!above the maximum");
    let full = |n| format!(r#"{{"action":"transfer","device":"2.0","data":[{}]}}"#, numbers(n));
    check("spi", &full(SPI_BYTES), on);
    check("spi", &full(SPI_BYTES + 1), "!data must be 1 to 4096");
    check("spi", &full(0), "!data must be 1 to 4096");
}

#[test]
fn serial_arguments() {
    let on = "/dev/ttyUSB0 UART_REFUSED";
    check("serial", r#"{"action":"list"}"#, "/sys");
    check("serial", r#"{"action":"read","port":"ttyUSB0"}"#, on);
    check("serial", r#"{"action":"read","port":"/dev/ttyUSB0","baud":9600}"#, on);
    check("serial", r#"{"action":"write","port":"ttyUSB0","data":"AT\r"}"#, on);
    check("serial", r#"{"action":"write","port":"ttyUSB0","bytes":[65]}"#, on);
    check("serial", r#"{"action":"read","port":"/dev/pts/77"}"#, "/dev/pts/77 UART_REFUSED");
    for port in
        ["", "..", "../etc/passwd", "/dev/../etc/passwd", "/dev/pts/1", "tty\\u0000S", "a/b"]
    {
        check(
            "serial",
            &format!(r#"{{"action":"read","port":"{port}"}}"#),
            "!port must be the name",
        );
    }
    for port in ["tty", "tty1", "console", "ptmx", "null", "mem", "sda", "ttyp0", "ttyGS0"] {
        check("serial", &format!(r#"{{"action":"read","port":"{port}"}}"#), "!is no serial port");
    }
    check("serial", r#"{"action":"read","port":"ttyS1","baud":12345}"#, "!baud must be one of 300");
    check("serial", r#"{"action":"read","port":"ttyS1","length":4097}"#, "!above the maximum");
    check("serial", r#"{"action":"read","port":"ttyS1","timeout_ms":10001}"#, "!above the maximum");
    check("serial", r#"{"action":"write","port":"ttyS1"}"#, "!bytes must be 1 to 4096");
    let slow =
        format!(r#"{{"action":"write","port":"ttyS1","baud":300,"bytes":[{}]}}"#, numbers(331));
    check("serial", &slow, "!at 300 baud that takes 11 s");
    let full = |n| {
        let text = "x".repeat(n as usize);
        format!(r#"{{"action":"write","port":"ttyUSB0","data":"{text}"}}"#)
    };
    check("serial", &full(SERIAL_BYTES), on);
    check("serial", &full(SERIAL_BYTES + 1), "!data must be 1 to 4096");
}

#[test]
fn gpio_arguments() {
    let on = "/dev/gpiochip0 GPIO_REFUSED";
    check("gpio", r#"{"action":"list"}"#, "/sys");
    check("gpio", r#"{"action":"list","chip":"gpiochip3"}"#, "/dev/gpiochip3");
    check("gpio", r#"{"action":"read","line":0}"#, on);
    check("gpio", r#"{"action":"read","line":1023,"chip":"/dev/gpiochip0"}"#, on);
    check("gpio", r#"{"action":"write","line":3,"value":1,"pulse_ms":5000}"#, on);
    check("gpio", r#"{"action":"release","line":3}"#, on);
    check("gpio", r#"{"action":"read"}"#, "!line must be");
    check("gpio", r#"{"action":"write","line":3}"#, "!value is required");
    check("gpio", r#"{"action":"write","line":3,"value":2}"#, "!above the maximum");
    check("gpio", r#"{"action":"write","line":3,"value":1,"pulse_ms":5001}"#, "!above the maximum");
    check("gpio", &format!(r#"{{"action":"read","line":{GPIO_LINES}}}"#), "!above the maximum");
    for chip in ["gpio0", "gpiochip", "gpiochip../null", "gpiochip0/x", "gpiochip123456", "null"] {
        check("gpio", &format!(r#"{{"action":"read","line":1,"chip":"{chip}"}}"#), "!chip must be");
    }
}

#[test]
fn devices_that_are_not_there_are_named_with_a_cure() {
    for (name, call, want) in [
        ("i2c", r#"{"action":"scan","bus":"9999"}"#, "there is no /dev/i2c-9999"),
        ("i2c", r#"{"action":"read","bus":"9999","address":9}"#, "i2c_dev be loaded"),
        (
            "i2c",
            r#"{"action":"write","bus":"9999","address":9,"data":[1]}"#,
            "there is no /dev/i2c",
        ),
        ("spi", r#"{"action":"read","device":"999.9","length":1}"#, "there is no /dev/spidev999.9"),
        ("serial", r#"{"action":"read","port":"ttyUSB999"}"#, "there is no /dev/ttyUSB999"),
        (
            "serial",
            r#"{"action":"write","port":"ttyUSB999","data":"x"}"#,
            "there is no /dev/ttyUSB",
        ),
        ("gpio", r#"{"action":"list","chip":"gpiochip999"}"#, "there is no /dev/gpiochip999"),
        ("gpio", r#"{"action":"read","line":1,"chip":"gpiochip999"}"#, "there is no /dev/gpioc"),
        ("gpio", r#"{"action":"write","line":1,"value":1,"chip":"gpiochip999"}"#, "there is no"),
        ("gpio", r#"{"action":"release","line":1,"chip":"gpiochip999"}"#, "not kept by a write"),
    ] {
        let e = (made(name, call).expect("a job").work)().expect_err("no such device");
        assert!(e.contains(want), "{call}: {e}");
    }
}

#[test]
fn looking_always_works() {
    for (name, action, key) in [
        ("i2c", "detect", "\"buses\":["),
        ("spi", "list", "\"devices\":["),
        ("serial", "list", "\"ports\":["),
        ("gpio", "list", "\"chips\":["),
        ("board", "", "\"uptime_seconds\":"),
    ] {
        let call =
            if action.is_empty() { "{}".into() } else { format!(r#"{{"action":"{action}"}}"#) };
        let text = (made(name, &call).expect("a job").work)().expect("a list");
        assert!(text.contains(key) && text.contains("\"refused\":"), "{text}");
    }
}

#[test]
fn lists_and_results() {
    let at = crate::sys::scratch::Scratch::new();
    for (zone, kind, temp) in [
        ("thermal_zone1", "ddr", "-500\n"),
        ("thermal_zone0", "cpu", "47250\n"),
        ("cooling", "x", "1"),
    ] {
        std::fs::create_dir(at.path().join(zone)).expect("a folder");
        std::fs::write(at.path().join(zone).join("type"), kind).expect("a file");
        std::fs::write(at.path().join(zone).join("temp"), temp).expect("a file");
    }
    let list = board::temperatures(at.path().to_str().expect("text"));
    assert_eq!(list, ["cpu 47.2", "ddr -0.5"]);
    for n in 0..HARDWARE_LISTED + 5 {
        std::fs::write(at.path().join(format!("spidev{n}.0")), "").expect("a file");
    }
    let list = names(at.path().to_str().expect("text"), &|n| n.starts_with("spidev"));
    assert_eq!((list.len(), list[9].as_str()), (HARDWARE_LISTED, "spidev9.0"));
    // Names that do not match do not count.
    std::fs::write(at.path().join("spidevice-of-a-long-name"), "").expect("a file");
    let list = names(at.path().to_str().expect("text"), &|n| n.starts_with("spidevi"));
    assert_eq!(list.len(), 1);
    assert_eq!(hex(&[0, 0x1f, 255]), "00 1f ff");
    assert_eq!(
        read_result("device", "0.0", vec![1, 255]),
        r#"{"bytes":[1,255],"device":"0.0","hex":"01 ff","length":2}"#
    );
}

#[test]
fn writing_calls_ask() {
    let ctx = ToolContext {
        config: std::rc::Rc::default(),
        http: crate::net::http::HttpClient::new().expect("a client"),
        chat: Default::default(),
        sender: Default::default(),
        send_message: None,
        files: None,
        secrets: Default::default,
        readable_roots: std::rc::Rc::new([]),
        trust: Default::default(),
        cron: None,
        subagents: None,
    };
    for (name, action, want) in [
        ("i2c", "write", true),
        ("spi", "transfer", true),
        ("serial", "write", true),
        ("gpio", "write", true),
        ("gpio", "release", true),
        ("i2c", "read", false),
        ("i2c", "scan", false),
        ("spi", "read", false),
        ("serial", "read", false),
        ("gpio", "read", false),
        ("gpio", "list", false),
        ("board", "", false),
    ] {
        let spec = crate::tool::spec(name).expect("a tool");
        let args = Args::from_iter([("action".to_owned(), action.into())]);
        assert_eq!((spec.asks)(&ctx, &args).is_some(), want, "{name} {action}");
        assert_eq!(spec.acts_on_machine, name != "board", "{name}");
    }
}
