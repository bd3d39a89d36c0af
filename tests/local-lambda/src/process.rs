//! Child processes that never outlive their owner, and signals that end this process.
//!
//! A child is ended in three ways. [`Child`] kills it when dropped. [`Children`] kills all children
//! when its last handle is dropped, for example after a panic. A small shell, the guardian, kills
//! the rest when its pipe from this process closes, however this process ends, even by SIGKILL.
//! Each child leads its own process group, so that Ctrl-C in a terminal reaches only this process,
//! which then ends everything gracefully.

use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};

/// The guardian. It reads the children's ids line by line, and in the end kills those that are
/// alive.
const GUARDIAN: &str = r#"
trap '' INT TERM HUP
alive=' '
while read -r change pid; do
    case "$change" in
        add) alive="$alive$pid " ;;
        del) alive="${alive%% "$pid" *} ${alive#* "$pid" }" ;;
    esac
done
for pid in $alive; do kill -KILL "$pid"; done 2>/dev/null
"#;

/// Waits for Ctrl-C or SIGTERM; a signal after this call is never missed. Returns the exit status
/// of a command that ends by it: 128 plus the signal's number.
///
/// # Errors
/// When the signal handlers cannot be installed.
pub fn shutdown_signal() -> io::Result<impl Future<Output = u8>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => 130,
            _ = terminate.recv() => 143,
        }
    })
}

/// All child processes of one system. Clones share them.
#[derive(Debug, Clone)]
pub struct Children(Arc<Registry>);

#[derive(Debug)]
struct Registry {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    alive: Vec<u32>,
    guardian: std::process::Child,
}

impl Children {
    /// An empty registry with its guardian.
    ///
    /// # Errors
    /// When `/bin/sh`, the guardian, cannot be started.
    pub fn new() -> io::Result<Self> {
        let guardian = std::process::Command::new("/bin/sh")
            .args(["-c", GUARDIAN])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        Ok(Self(Arc::new(Registry { state: Mutex::new(State { alive: Vec::new(), guardian }) })))
    }

    /// The child is guarded. Must be called inside a Tokio runtime.
    ///
    /// # Errors
    /// When the operating system cannot start it.
    pub fn spawn(&self, command: &mut Command) -> io::Result<Child> {
        let inner = command.process_group(0).kill_on_drop(true).spawn()?;
        let pid = inner.id().ok_or_else(|| std::io::Error::other("the child ended immediately"))?;
        self.0.with(|state| {
            state.alive.push(pid);
            state.inform_guardian("add", pid);
        });
        Ok(Child { inner, pid, registry: self.clone() })
    }

    /// Of the children that have not ended yet.
    #[must_use]
    pub fn pids(&self) -> Vec<u32> {
        self.0.with(|state| state.alive.clone())
    }

    /// Sends SIGKILL to every child.
    pub fn kill_all(&self) {
        self.0.kill_all();
    }

    fn forget(&self, pid: u32) {
        self.0.with(|state| {
            state.alive.retain(|alive| *alive != pid);
            state.inform_guardian("del", pid);
        });
    }
}

impl Registry {
    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn kill_all(&self) {
        for pid in self.with(|state| state.alive.clone()) {
            send(pid, Signal::SIGKILL);
        }
    }
}

impl State {
    fn inform_guardian(&mut self, change: &str, pid: u32) {
        if let Some(pipe) = self.guardian.stdin.as_mut()
            && let Err(error) = writeln!(pipe, "{change} {pid}")
        {
            tracing::warn!(%error, "the guardian of the child processes is gone");
        }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.kill_all();
        self.with(|state| {
            // Closing the pipe ends the guardian, which kills the children that are still alive.
            drop(state.guardian.stdin.take());
            if let Err(error) = state.guardian.wait() {
                tracing::warn!(%error, "the guardian of the child processes did not end");
            }
        });
    }
}

/// Dropping it kills the process.
#[derive(Debug)]
pub struct Child {
    inner: tokio::process::Child,
    pid: u32,
    registry: Children,
}

impl Child {
    /// No other process gets this id before the child has been waited for.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The pipes and the rest of the child's handle.
    pub fn inner_mut(&mut self) -> &mut tokio::process::Child {
        &mut self.inner
    }

    /// `None` while the child is running.
    pub fn exit_status(&mut self) -> Option<ExitStatus> {
        self.inner.try_wait().ok().flatten()
    }

    /// Sends a signal, unless the child has been waited for already.
    pub fn signal(&self, signal: Signal) {
        // `id` is `None` once the child was reaped; another process may have its number then.
        if self.inner.id().is_some() {
            send(self.pid, signal);
        }
    }

    /// Waits until the child has ended. May be cancelled and called again.
    ///
    /// # Errors
    /// When the operating system cannot wait for the child.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.inner.wait().await
    }

    /// Wakes the child, sends SIGTERM, and kills it after `grace`.
    pub async fn stop(mut self, grace: Duration) {
        self.signal(Signal::SIGCONT);
        self.signal(Signal::SIGTERM);
        if tokio::time::timeout(grace, self.wait()).await.is_err() {
            self.kill().await;
        }
    }

    pub async fn kill(&mut self) {
        self.signal(Signal::SIGKILL);
        if let Err(error) = self.wait().await {
            tracing::warn!(pid = self.pid, %error, "a killed child could not be waited for");
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
        self.registry.forget(self.pid);
    }
}

/// Ignores a process that has already ended.
pub(crate) fn send(pid: u32, signal: Signal) {
    let Ok(raw) = i32::try_from(pid) else { return };
    if let Err(error) = kill(Pid::from_raw(raw), signal)
        && error != nix::errno::Errno::ESRCH
    {
        tracing::warn!(pid, %signal, %error, "a signal could not be sent");
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::process::Command;

    use super::Children;

    fn exists(pid: u32) -> bool {
        std::path::Path::new(&format!("/proc/{pid}")).exists()
    }

    async fn gone(pid: u32) -> bool {
        for _ in 0..200 {
            if !exists(pid) {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        false
    }

    #[tokio::test]
    async fn a_dropped_child_is_killed() {
        let children = Children::new().unwrap();
        let child = children.spawn(Command::new("sleep").arg("600")).unwrap();
        let pid = child.pid();
        assert_eq!(children.pids(), [pid]);
        drop(child);
        assert!(gone(pid).await);
        assert!(children.pids().is_empty());
    }

    #[tokio::test]
    async fn stop_ends_a_child_that_is_frozen() {
        let children = Children::new().unwrap();
        let child = children.spawn(Command::new("sleep").arg("600")).unwrap();
        let pid = child.pid();
        child.signal(nix::sys::signal::Signal::SIGSTOP);
        child.stop(Duration::from_secs(5)).await;
        assert!(!exists(pid));
    }

    #[tokio::test]
    async fn the_guardian_kills_the_remaining_children_only() {
        let children = Children::new().unwrap();
        let ended = children.spawn(Command::new("sleep").arg("600")).unwrap();
        let mut survivor = children.spawn(Command::new("sleep").arg("600")).unwrap();
        ended.stop(Duration::from_secs(5)).await;
        // Only the pipe closes, as if this process were killed.
        children.0.with(|state| drop(state.guardian.stdin.take()));
        let status = tokio::time::timeout(Duration::from_secs(5), survivor.wait()).await.unwrap();
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status.unwrap()), Some(9));
    }
}
