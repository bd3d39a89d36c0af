/// The peak of a process's memory so far, in bytes (`VmHWM` of `proc(5)`); `None` where the system
/// does not report it, or once the process has ended.
#[must_use]
pub fn peak(pid: u32) -> Option<u64> {
    read_peak(&std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?)
}

fn read_peak(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::read_peak;

    #[test]
    fn the_peak_is_read_in_bytes() {
        let status = "Name:\thealth\nVmPeak:\t  900000 kB\nVmHWM:\t   12345 kB\nVmRSS:\t 1 kB\n";
        assert_eq!(read_peak(status), Some(12_345 * 1024));
        assert_eq!(read_peak("Name:\tzombie\n"), None);
    }
}
