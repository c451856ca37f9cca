//! What the kernel says this process holds (proc(5), /proc/PID/status).

/// Kilobytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Resident set.
    pub vm_rss: u64,
    /// Of it, anonymous pages: heap, stacks.
    pub rss_anon: u64,
}

/// Reads the figures of this process; zeros where there is no procfs.
pub fn read_own() -> Memory {
    parse(&std::fs::read_to_string("/proc/self/status").unwrap_or_default())
}

/// Bytes of memory that this machine has; `None` where there is no procfs.
pub fn of_machine() -> Option<u64> {
    machine("MemTotal:")
}

/// Bytes that programs could still have; `None` where that is not known.
pub fn available() -> Option<u64> {
    machine("MemAvailable:")
}

fn machine(name: &str) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

fn parse(status: &str) -> Memory {
    let field = |name: &str| {
        let line = status.lines().find_map(|l| l.strip_prefix(name));
        line.and_then(|l| l.split_whitespace().next()).and_then(|n| n.parse().ok()).unwrap_or(0)
    };
    Memory { vm_rss: field("VmRSS:"), rss_anon: field("RssAnon:") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_found_by_name() {
        let status = "Name:\tx\nVmHWM:\t  9 kB\nVmRSS:\t  1024 kB\nRssAnon:\t 350 kB\n";
        assert_eq!(parse(status), Memory { vm_rss: 1024, rss_anon: 350 });
        assert_eq!(parse("nothing"), Memory::default());
        assert!(read_own().vm_rss > 0);
        assert!(of_machine() > Some(read_own().vm_rss * 1024));
    }
}
