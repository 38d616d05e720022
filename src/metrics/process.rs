//! The process itself, under the names that every Prometheus client gives it.

use std::{
    fs,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use super::exposition::Page;

/// When the process began to count.
#[derive(Debug)]
pub(super) struct Process {
    at: SystemTime,
    since: Instant,
}

/// What the kernel says of the process, in its own units.
#[derive(Debug, Default, PartialEq)]
struct Usage {
    /// User and system together.
    cpu_ticks: u64,
    virtual_bytes: u64,
    resident_pages: u64,
}

impl Default for Process {
    fn default() -> Self {
        Self { at: SystemTime::now(), since: Instant::now() }
    }
}

impl Process {
    pub(super) fn write(&self, page: &mut Page) {
        page.info(
            "sluicegate_build",
            "The program that runs.",
            &[("version", env!("CARGO_PKG_VERSION")), ("os", std::env::consts::OS), ("arch", std::env::consts::ARCH)],
        );
        page.gauge("sluicegate_uptime_seconds", "Since the process started.")
            .sample(&[], self.since.elapsed().as_secs_f64());
        let started = self.at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        page.gauge("process_start_time_seconds", "When the process started, in seconds since 1970.")
            .sample(&[], started);
        // Elsewhere than on Linux there is no such folder, and nothing is said.
        if let Some(open) = fs::read_dir("/proc/self/fd").ok().map(Iterator::count) {
            // Without the one that counts.
            page.gauge("process_open_fds", "File descriptors that are open.").sample(&[], open.saturating_sub(1));
        }
        if let Ok((most, _)) = rlimit::getrlimit(rlimit::Resource::NOFILE) {
            page.gauge("process_max_fds", "File descriptors that may be open.").sample(&[], most);
        }
        if let Some(usage) = fs::read_to_string("/proc/self/stat").ok().and_then(|stat| Usage::read(&stat)) {
            #[expect(clippy::cast_precision_loss, reason = "fewer than 2^53 ticks pass in the life of a process")]
            let cpu = usage.cpu_ticks as f64 / rustix::param::clock_ticks_per_second().max(1) as f64;
            let resident = usage.resident_pages.saturating_mul(rustix::param::page_size() as u64);
            page.counter("process_cpu_seconds", "Time on processors, of user and system.").sample(&[], cpu);
            page.gauge("process_resident_memory_bytes", "Memory that is in use.").sample(&[], resident);
            page.gauge("process_virtual_memory_bytes", "Addresses that are in use.").sample(&[], usage.virtual_bytes);
        }
    }
}

impl Usage {
    /// Reads `/proc/<pid>/stat` (`proc_pid_stat(5)`): the name, in parentheses, may hold anything.
    fn read(stat: &str) -> Option<Self> {
        let (_, fields) = stat.rsplit_once(')')?;
        let fields: Vec<u64> = fields.split_ascii_whitespace().map(|field| field.parse().unwrap_or_default()).collect();
        // The first one here is the third of the manual.
        let field = |number: usize| fields.get(number - 3).copied();
        Some(Self { cpu_ticks: field(14)? + field(15)?, virtual_bytes: field(23)?, resident_pages: field(24)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_moves_no_field() {
        let stat =
            "123 (a ) b) S 1 123 123 0 -1 4194304 100 0 0 0 7 5 0 0 20 0 3 0 100 4096000 250 18446744073709551615";
        let expected = Usage { cpu_ticks: 12, virtual_bytes: 4_096_000, resident_pages: 250 };
        assert_eq!(Usage::read(stat), Some(expected));
        assert_eq!(Usage::read("123 (short) S 1"), None);
    }
}
