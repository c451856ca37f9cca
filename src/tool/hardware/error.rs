//! Error messages for devices: what went wrong, and what to do.

use std::io::{Error, ErrorKind};

/// Path prefix, kernel module, group that may use it.
const KINDS: &[(&str, &str, &str)] = &[
    ("/dev/i2c-", "i2c_dev", "i2c"),
    ("/dev/spidev", "spidev", "spi"),
    ("/dev/gpiochip", "the chip's driver", "gpio"),
    ("/dev/", "the port's driver", "dialout"),
];

/// A sentence about a kernel error.
pub fn describe(device: &str, e: &Error) -> String {
    let (_, module, group) =
        KINDS.iter().find(|(b, ..)| device.starts_with(b)).unwrap_or(&("", "its driver", "root"));
    let why = match (e.kind(), e.raw_os_error()) {
        (ErrorKind::NotFound, _) => {
            return format!(
                "there is no {device}. `detect` or `list` shows what there is; what is missing has to be switched on in the device tree, and {module} be loaded"
            );
        }
        (ErrorKind::PermissionDenied, _) => {
            return format!(
                "{device} may not be opened: the daemon's user has to be in the group {group}, and the file to belong to it with mode 0660"
            );
        }
        (ErrorKind::InvalidInput, None) => "is no device",
        (ErrorKind::BrokenPipe | ErrorKind::NotConnected, _)
        | (_, Some(libc::EIO | libc::ENODEV)) => {
            "went away, or does not answer: it was unplugged, or fails"
        }
        (_, Some(libc::ENXIO | libc::EREMOTEIO)) => "nobody answers there",
        (ErrorKind::TimedOut, _) => {
            "did not answer in time: the bus hangs (a wire held low, no pull-ups) or the other side takes nothing"
        }
        (_, Some(libc::EBUSY)) => "is in use: a driver of the kernel or another program has it",
        (_, Some(libc::EAGAIN)) => "is used by two at once; try again",
        (_, Some(libc::EOPNOTSUPP)) => "cannot do that: this adapter lacks the kind of transfer",
        (_, Some(libc::EINVAL)) => "cannot do that: no such line, or not with these settings",
        (_, Some(libc::EMSGSIZE)) => "takes less at a time; split it",
        (_, Some(libc::ENOTTY)) => "is a device of another kind",
        _ => return format!("{device}: {e}"),
    };
    format!("{device}: {why}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_the_device_and_the_cure() {
        for (device, code, want) in [
            ("/dev/i2c-7", libc::ENOENT, "there is no /dev/i2c-7. `detect`"),
            ("/dev/i2c-7", libc::ENOENT, "i2c_dev be loaded"),
            (
                "/dev/spidev0.0",
                libc::EACCES,
                "/dev/spidev0.0 may not be opened: the daemon's user has to be in the group spi",
            ),
            ("/dev/ttyS1", libc::EACCES, "group dialout"),
            ("/dev/gpiochip0", libc::EBUSY, "/dev/gpiochip0: is in use"),
            ("/dev/i2c-1", libc::ENXIO, "nobody answers"),
            ("/dev/i2c-1", libc::ETIMEDOUT, "the bus hangs"),
            ("/dev/ttyUSB0", libc::EIO, "went away"),
            ("/dev/ttyUSB0", libc::EPIPE, "went away"),
            ("/dev/spidev0.0", libc::EINVAL, "cannot do that"),
            ("/dev/i2c-1", libc::EILSEQ, "/dev/i2c-1: "),
        ] {
            let text = describe(device, &Error::from_raw_os_error(code));
            assert!(text.contains(want), "{device} {code}: {text}");
        }
        let text = describe("/dev/ttyS1", &ErrorKind::InvalidInput.into());
        assert_eq!(text, "/dev/ttyS1: is no device");
    }
}
