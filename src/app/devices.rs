//! USB devices that come and go are told to the chat that wrote last (`devices.enabled`).
//!
//! The kernel's own notices are read: no child process, no udev. What a device says of itself is shown, not believed: one
//! line, nothing invisible, never to the model.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Instant;

use super::notifier::Notifier;
use crate::limits::{USB_KNOWN, USB_NOTICES, USB_SETTLE, USB_TEXT_CHARS, USB_WINDOW};
use crate::proto::text::one_line;
use crate::proto::uevent::{capability, usb};
use crate::sys::spawn_blocking;
use crate::sys::uevent::Uevents;
use crate::{Error, Result};

/// A device's interfaces that are looked at.
const INTERFACES: usize = 16;

/// Watches for ever.
///
/// # Errors
/// The kernel gives no such socket, or took it away.
pub async fn run(notifier: Rc<Notifier>) -> Result<()> {
    let failed = |e| Error::new(format!("devices.monitor_usb: the kernel's notices: {e}"));
    let events = Uevents::open().map_err(failed)?;
    let mut descriptions = Descriptions::default();
    let mut limit = NoticeLimit::default();
    loop {
        let own = |m: &[u8]| usb(m).map(|u| (u.add, u.path.to_owned(), u.product.to_owned()));
        let (add, path, product) = match events.next(own).await {
            Ok(event) => event,
            Err(e) if e.raw_os_error() == Some(libc::ENOBUFS) => {
                crate::log::warn!("more devices came and went than the kernel remembers");
                continue;
            }
            Err(e) => return Err(failed(e)),
        };
        let lines = if add {
            async_io::Timer::after(USB_SETTLE).await;
            let folder = ["/sys", &path].concat();
            let lines = spawn_blocking(Box::new(move || described(&folder, &product))).await;
            descriptions.note(path, lines.clone());
            lines
        } else {
            descriptions.take(&path).unwrap_or_else(|| ["Device: ", &ids(&product)].concat())
        };
        let what = if add { "Connected" } else { "Disconnected" };
        match limit.next(Instant::now()) {
            Notice::Tell => notifier.notify(&format!("🔌 Device {what}\n\nType: usb\n{lines}")),
            Notice::Last => notifier.notify(
                "🔌 USB devices come and go too often; for a minute nothing is said about them",
            ),
            Notice::Silent => {}
        }
    }
}

/// `46d/c52b/1201` as `046d:c52b`.
fn ids(product: &str) -> String {
    let mut parts = product.split('/');
    let mut next = || format!("{:0>4}", one_line(parts.next().unwrap_or(""), 4));
    [&next(), ":", &next()].concat()
}

/// `Device:`, `Capabilities:` and `Serial:`, as far as the folder in `/sys` tells.
fn described(folder: &str, product: &str) -> String {
    let of = |at: &str, name: &str| {
        let text = std::fs::read_to_string([at, "/", name].concat()).unwrap_or_default();
        one_line(text.trim(), USB_TEXT_CHARS)
    };
    let name = [of(folder, "manufacturer"), of(folder, "product")].join(" ");
    let name = if name.trim().is_empty() { ids(product) } else { name };
    let mut lines = ["Device: ", name.trim()].concat();
    let mut can: Vec<&str> = Vec::new();
    let inside = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let interfaces = inside.filter(|e| e.file_name().as_encoded_bytes().contains(&b':'));
    let classes = interfaces
        .take(INTERFACES)
        .filter_map(|e| e.path().to_str().and_then(|at| capability(&of(at, "bInterfaceClass"))));
    can.extend(capability(&of(folder, "bDeviceClass")).into_iter().chain(classes));
    can.sort_unstable();
    can.dedup();
    for (label, text) in
        [("\nCapabilities: ", can.join(", ")), ("\nSerial: ", of(folder, "serial"))]
    {
        if !text.is_empty() {
            lines.push_str(label);
            lines.push_str(&text);
        }
    }
    lines
}

/// What was said of devices that came: when they go, `/sys` has nothing left to say.
#[derive(Default)]
struct Descriptions(VecDeque<(String, String)>);

impl Descriptions {
    fn note(&mut self, path: String, lines: String) {
        self.take(&path);
        if self.0.len() >= USB_KNOWN {
            self.0.pop_front();
        }
        self.0.push_back((path, lines));
    }

    fn take(&mut self, path: &str) -> Option<String> {
        let at = self.0.iter().position(|(p, _)| p == path)?;
        self.0.remove(at).map(|(_, lines)| lines)
    }
}

/// At most [`USB_NOTICES`] in each [`USB_WINDOW`]: a loose plug must not fill the chat.
#[derive(Default)]
struct NoticeLimit {
    begun: Option<Instant>,
    told: u32,
}

#[derive(Debug, PartialEq)]
enum Notice {
    Tell,
    Last,
    Silent,
}

impl NoticeLimit {
    fn next(&mut self, now: Instant) -> Notice {
        if self.begun.is_none_or(|begun| now.saturating_duration_since(begun) >= USB_WINDOW) {
            *self = NoticeLimit { begun: Some(now), told: 0 };
        }
        self.told = self.told.saturating_add(1);
        match self.told {
            n if n <= USB_NOTICES => Notice::Tell,
            n if n == USB_NOTICES + 1 => Notice::Last,
            _ => Notice::Silent,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::sys::scratch::Scratch;

    #[test]
    fn a_device_is_described_by_what_the_kernel_shows() {
        let at = Scratch::new();
        let folder = at.path().to_str().expect("text").to_owned();
        assert_eq!(described(&folder, "46d/c52b/1201"), "Device: 046d:c52b");
        at.file("manufacturer", "ACME\n");
        at.file("product", format!("Stick\u{202e} {}\nsecond\n", "x".repeat(500)));
        at.file("serial", "A1\n");
        at.file("bDeviceClass", "00\n");
        at.file("1-1:1.0/bInterfaceClass", "08\n");
        at.file("1-1:1.1/bInterfaceClass", "03\n");
        at.file("1-1:1.2/bInterfaceClass", "08\n");
        at.file("power/bInterfaceClass", "09\n");
        let text = described(&folder, "");
        assert!(text.starts_with("Device: ACME Stick xxx"), "{text}");
        assert!(text.ends_with("\nCapabilities: Input, Storage\nSerial: A1"), "{text}");
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(text.len() < 200, "{text}");
        assert_eq!(ids(""), "0000:0000");
    }

    #[test]
    fn notices_are_paced_and_what_is_remembered_is_bounded() {
        let (mut limit, begin) = (NoticeLimit::default(), Instant::now());
        let at = |s: u64| begin + Duration::from_secs(s);
        for _ in 0..USB_NOTICES {
            assert_eq!(limit.next(at(0)), Notice::Tell);
        }
        assert_eq!(limit.next(at(1)), Notice::Last);
        assert_eq!(limit.next(at(2)), Notice::Silent);
        assert_eq!(limit.next(begin + USB_WINDOW), Notice::Tell);
        let mut descriptions = Descriptions::default();
        for n in 0..USB_KNOWN + 3 {
            descriptions.note(n.to_string(), String::new());
        }
        assert_eq!(
            (descriptions.0.len(), descriptions.take("2"), descriptions.take("3")),
            (USB_KNOWN, None, Some(String::new()))
        );
    }
}
