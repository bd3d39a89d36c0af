//! Destinations of the functions' output.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputStream {
    Stdout,
    Stderr,
}

/// Receives the functions' output line by line.
pub trait LogSink: Send + Sync {
    /// Receives one line of `function`, without the line break. It must not block for long.
    fn line(&self, function: &str, stream: OutputStream, line: &str);
}

/// Writes lines to a writer: JSON unchanged, because it names its function itself, and everything
/// else (a panic, the host's own remarks) after the function's name.
pub struct WriterSink<W>(Mutex<W>);

pub type FileSink = WriterSink<File>;

impl<W: Write> WriterSink<W> {
    /// Writes a whole line at a time.
    pub fn new(writer: W) -> Self {
        Self(Mutex::new(writer))
    }
}

impl FileSink {
    /// Appends to the file at `path`.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn append(path: &Path) -> std::io::Result<Self> {
        Ok(Self::new(File::options().create(true).append(true).open(path)?))
    }
}

impl<W: Write + Send> LogSink for WriterSink<W> {
    fn line(&self, function: &str, _: OutputStream, line: &str) {
        let text = if line.starts_with('{') {
            format!("{line}\n")
        } else {
            format!("[{function}] {line}\n")
        };
        let mut writer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A log that cannot be written must not end the function.
        if let Err(error) = writer.write_all(text.as_bytes()) {
            tracing::warn!(%error, "a function's output could not be written");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{LogSink, OutputStream, WriterSink};

    #[test]
    fn only_lines_that_are_not_json_get_the_functions_name() {
        let sink = WriterSink::new(Vec::new());
        sink.line("health", OutputStream::Stdout, "{\"level\":\"INFO\"}");
        sink.line("health", OutputStream::Stderr, "thread panicked");
        let written = String::from_utf8(sink.0.into_inner().unwrap()).unwrap();
        assert_eq!(written, "{\"level\":\"INFO\"}\n[health] thread panicked\n");
    }
}
