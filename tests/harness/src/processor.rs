use std::time::Duration;

/// A tick of `/proc` on every Linux (`USER_HZ`).
const TICK: Duration = Duration::from_millis(10);

/// The processor time of a process so far, of all its threads (`utime` and `stime` of `proc(5)`);
/// `None` where the system does not report it, or once the process has ended.
#[must_use]
pub fn used(pid: u32) -> Option<Duration> {
    read_used(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

fn read_used(stat: &str) -> Option<Duration> {
    // The second field is the program's name in parentheses, which may contain any character.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let ticks: u32 = fields.next()?.parse::<u32>().ok()? + fields.next()?.parse::<u32>().ok()?;
    Some(TICK * ticks)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::read_used;

    #[test]
    fn the_time_is_that_of_user_and_system() {
        let stat = "7 (a ) name) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0 3 0 99 1 2";
        assert_eq!(read_used(stat), Some(Duration::from_secs(2)));
        assert_eq!(read_used("7"), None);
    }
}
