//! The kernel's device events (`NETLINK_KOBJECT_UEVENT`): `add@PATH`, then `KEY=value`, each terminated by a NUL.

/// A USB device was added or removed.
#[derive(Debug, PartialEq, Eq)]
pub struct Usb<'a> {
    /// Whether it was added.
    pub add: bool,
    /// Its path below `/sys`, `/devices/…`.
    pub path: &'a str,
    /// Vendor, product and version in hexadecimal digits, `46d/c52b/1201`; may be empty.
    pub product: &'a str,
}

/// Parses an event about a whole USB device (not one of its interfaces) that was added or removed.
pub fn usb(message: &[u8]) -> Option<Usb<'_>> {
    let (mut action, mut path, mut product) = ("", "", "");
    let (mut subsystem, mut kind) = ("", "");
    // The first part repeats the others in another format.
    for part in message.split(|b| *b == 0).skip(1) {
        let Some((key, value)) = std::str::from_utf8(part).ok().and_then(|p| p.split_once('='))
        else {
            continue;
        };
        match key {
            "ACTION" => action = value,
            "DEVPATH" => path = value,
            "SUBSYSTEM" => subsystem = value,
            "DEVTYPE" => kind = value,
            "PRODUCT" => product = value,
            _ => {}
        }
    }
    let add = match action {
        "add" => true,
        "remove" => false,
        _ => return None,
    };
    let inside = path.starts_with("/devices/") && !path.split('/').any(|p| p == "..");
    (subsystem == "usb" && kind == "usb_device" && inside).then_some(Usb { add, path, product })
}

/// The purpose of a device class (usb.org, class codes), in one word.
pub fn capability(class: &str) -> Option<&'static str> {
    Some(match class {
        "01" => "Audio",
        "02" | "0a" => "Communication",
        "03" => "Input",
        "06" => "Camera",
        "07" => "Printer",
        "08" => "Storage",
        "09" => "Hub",
        "0b" => "Smart card",
        "0e" => "Video",
        "e0" => "Wireless",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADD: &str = "add@/devices/platform/usb1/1-1\0ACTION=add\0DEVPATH=/devices/platform/usb1/1-1\0SUBSYSTEM=usb\0MAJOR=189\0DEVNAME=bus/usb/001/002\0DEVTYPE=usb_device\0PRODUCT=46d/c52b/1201\0TYPE=0/0/0\0SEQNUM=12\0";

    #[track_caller]
    fn check(message: &str, want: Option<(bool, &str, &str)>) {
        let got = usb(message.as_bytes()).map(|u| (u.add, u.path, u.product));
        assert_eq!(got, want, "{message:?}");
    }

    #[test]
    fn plugged_and_unplugged_devices() {
        let at = "/devices/platform/usb1/1-1";
        check(ADD, Some((true, at, "46d/c52b/1201")));
        check(&ADD.replace("add", "remove"), Some((false, at, "46d/c52b/1201")));
        check(&ADD.replace("PRODUCT=46d/c52b/1201\0", ""), Some((true, at, "")));
        check(&ADD.replace("usb_device", "usb_interface"), None);
        check(&ADD.replace("SUBSYSTEM=usb", "SUBSYSTEM=tty"), None);
        check(&ADD.replace("ACTION=add", "ACTION=bind"), None);
        check(&ADD.replace("/devices/", "/etc/"), None);
        check(&ADD.replace("usb1", ".."), None);
        check("", None);
        check("libudev\0\u{fe}\u{ed}ACTION=add", None);
        check("add@/devices/x\0ACTION\0=\0DEVPATH=\0", None);
        assert_eq!(usb(&[0xff; 4096]), None);
    }

    #[test]
    fn classes_have_names() {
        assert_eq!((capability("08"), capability("ff")), (Some("Storage"), None));
    }
}
