//! i2c: devices on an I2C bus.

use std::io;
use std::path::Path;

use serde_json::Value;

use super::job::{DEVICE, HardwareCall, data, json_result, line_of, names, read_result, run_job};
use super::{error, facts};
use crate::limits::I2C_BYTES;
use crate::sys::hardware::i2c::{BLOCK, Bus, PLAIN, QUICK, READ_BYTE, SmbusTransaction};
use crate::tool::args::{Args, integer, text};
use crate::tool::spec::{Effect, ToolSpec};

/// Scans, reads and writes an I2C bus.
pub static I2C: ToolSpec = ToolSpec {
    name: "i2c",
    description: "Sensors and chips on an I2C bus of the board. detect lists buses, scan finds devices on one, read and write exchange bytes with one. A write waits for the user's yes.",
    schema: r#"{"type":"object","properties":{"action":{"type":"string","enum":["detect","scan","read","write"]},"bus":{"type":"string","description":"Number of the bus, like 1"},"address":{"type":"integer","minimum":3,"maximum":119,"description":"7 bits"},"register":{"type":"integer","minimum":0,"maximum":255,"description":"Register to begin at"},"length":{"type":"integer","minimum":1,"maximum":256,"description":"Bytes to read, 1 if left out"},"data":{"type":"array","items":{"type":"integer","minimum":0,"maximum":255},"description":"Bytes to write"}},"required":["action"]}"#,
    effect: Effect::Writes,
    run: |ctx, args| Box::pin(run_job(ctx, &I2C, args, job(args))),
    asks_itself: true,
    acts_on_machine: true,
    asks: |_, args| matches!(text(args, "action"), "write").then_some(DEVICE),
    ..ToolSpec::PLAIN
};

/// The operation on the device.
type Exchange = Box<dyn FnOnce(&Bus) -> io::Result<Vec<u8>> + Send>;

/// Addresses that a scan probes; the others are reserved.
const SCANNED: std::ops::RangeInclusive<u16> = 0x08..=0x77;

pub(super) fn job(args: &Args) -> Result<HardwareCall, String> {
    let action = text(args, "action");
    if action == "detect" {
        return Ok(HardwareCall::without_device(detect));
    }
    let bus = text(args, "bus");
    if bus.is_empty() || bus.len() > 4 || !bus.bytes().all(|b| b.is_ascii_digit()) {
        return Err("bus must be the number of a bus, as detect lists them".into());
    }
    let device = ["/dev/i2c-", bus].concat();
    let (path, bus) = (device.clone(), bus.to_owned());
    if action == "scan" {
        let work = move || scan(&path, &bus);
        return Ok(HardwareCall { device, rule: "I2C_REFUSED", line: None, work: Box::new(work) });
    }
    let address = integer(args, "address").unwrap_or(-1);
    if !(3..=119).contains(&address) {
        return Err("address must be a whole number from 3 (0x03) to 119 (0x77)".into());
    }
    let address = address as u16;
    let register = integer(args, "register").map(|r| r as u8);
    let exchange: Exchange = if action == "write" {
        let mut bytes: Vec<u8> = register.into_iter().collect();
        bytes.extend(data(args, "data", I2C_BYTES)?);
        Box::new(move |open| write(open, address, &bytes).map(|()| bytes))
    } else {
        let length = integer(args, "length").unwrap_or(1).clamp(1, I2C_BYTES) as usize;
        Box::new(move |open| read(open, address, register, length))
    };
    let writes = action == "write";
    let work = move || {
        let done = Bus::open(Path::new(&path)).and_then(|open| {
            open.select(address)?;
            exchange(&open)
        });
        let at = format!("{address:#04x}");
        match done {
            Ok(bytes) if writes => Ok(json_result(vec![
                ("bus", bus.into()),
                ("address", at.into()),
                ("written", bytes.len().into()),
            ])),
            Ok(bytes) => Ok(read_result("address", &at, bytes)),
            Err(e) if e.raw_os_error() == Some(libc::EBUSY) => Err(format!(
                "{path}: {at} is in use by a driver of the kernel, which is not disturbed; what it measures stands below /sys"
            )),
            Err(e) => Err(format!("{} (address {at})", error::describe(&path, &e))),
        }
    };
    Ok(HardwareCall { device, rule: "I2C_REFUSED", line: None, work: Box::new(work) })
}

fn detect() -> Result<String, String> {
    let list = names("/dev", &|n| n.starts_with("i2c-")).into_iter().map(|node| {
        let name = line_of(&["/sys/class/i2c-dev/", &node, "/name"].concat());
        [node.trim_start_matches("i2c-"), " ", &name].concat().trim_end().into()
    });
    let buses: Vec<Value> = list.collect();
    Ok(json_result(vec![
        ("buses", buses.into()),
        ("refused", facts::refused("I2C_REFUSED").into()),
    ]))
}

fn scan(path: &str, bus: &str) -> Result<String, String> {
    let failed = |e: io::Error| error::describe(path, &e);
    let open = Bus::open(Path::new(path)).map_err(failed)?;
    let (mut found, mut in_use) = (Vec::new(), Vec::new());
    for address in SCANNED {
        // Memory chips and the like may treat a quick write as a real write.
        let quiet = matches!(address, 0x30..=0x37 | 0x50..=0x5f);
        let shape = match open.can {
            can if can & QUICK != 0 && !(quiet && can & READ_BYTE != 0) => SmbusTransaction::Quick,
            can if can & READ_BYTE != 0 => SmbusTransaction::Byte,
            _ => return Err(format!("{path}: this adapter cannot be scanned")),
        };
        let asked = open.select(address).and_then(|()| {
            let mut byte = [0];
            let room = if shape == SmbusTransaction::Byte { &mut byte[..] } else { &mut [] };
            open.smbus(shape == SmbusTransaction::Byte, 0, shape, room)
        });
        let at = || Value::from(format!("{address:#04x}"));
        match asked {
            Ok(()) => found.push(at()),
            Err(e) => match e.raw_os_error() {
                Some(libc::EBUSY) => in_use.push(at()),
                // Each further address would hang just as long.
                Some(libc::ETIMEDOUT) => return Err(failed(e)),
                _ => {}
            },
        }
    }
    Ok(json_result(vec![
        ("bus", bus.into()),
        ("found", found.into()),
        ("used_by_kernel", in_use.into()),
    ]))
}

fn read(bus: &Bus, address: u16, register: Option<u8>, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    if bus.can & PLAIN != 0 {
        bus.exchange(address, register.as_slice(), &mut bytes)?;
        return Ok(bytes);
    }
    let Some(first) = register else {
        for byte in bytes.chunks_mut(1) {
            bus.smbus(true, 0, SmbusTransaction::Byte, byte)?;
        }
        return Ok(bytes);
    };
    for (n, chunk) in bytes.chunks_mut(BLOCK).enumerate() {
        let register = first.wrapping_add((n * BLOCK) as u8);
        let shape =
            if chunk.len() == 1 { SmbusTransaction::ByteData } else { SmbusTransaction::Block };
        bus.smbus(true, register, shape, chunk)?;
    }
    Ok(bytes)
}

/// The first byte is the register if the device has any: on the bus there is no difference.
fn write(bus: &Bus, address: u16, bytes: &[u8]) -> io::Result<()> {
    if bus.can & PLAIN != 0 {
        return bus.exchange(address, bytes, &mut []);
    }
    let (first, rest) = bytes.split_first().unwrap_or((&0, &[]));
    let shape = match rest.len() {
        0 => SmbusTransaction::Byte,
        1 => SmbusTransaction::ByteData,
        2..=BLOCK => SmbusTransaction::Block,
        _ => return Err(io::Error::from_raw_os_error(libc::EMSGSIZE)),
    };
    bus.smbus(false, *first, shape, &mut rest.to_vec())
}
