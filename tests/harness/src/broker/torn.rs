//! A message that is stored in part. If a broker is killed while it copies a message into the
//! mapped file of its commit log, the rest of the message is zero.

use std::fs::OpenOptions;
use std::io::{Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::Context;

/// Marks a message (`MessageDecoder.java`).
const MAGIC: [u8; 4] = [0xda, 0xa3, 0x20, 0xa7];

/// Where the length of the body is in a message whose hosts have IPv4 addresses
/// (`MessageExtEncoder.java`).
const BODY_LENGTH: usize = 84;

const QUEUE_OFFSET: usize = 20;
const PHYSICAL_OFFSET: usize = 28;

struct Log {
    /// The last file that has messages, and the end of the last one in it.
    end: Option<(PathBuf, usize)>,
    /// The bytes of a message, and where its properties are in it.
    newest: Option<(Vec<u8>, Range<usize>)>,
}

/// Appends the newest message of a topic once more, without the second half of its properties, as
/// if the broker was killed while it stored it. The broker must not be running.
pub(super) fn append_torn(commit_log: &Path, topic: &str) -> anyhow::Result<()> {
    let Log { end, newest } = read(commit_log, topic)?;
    let newest = newest.with_context(|| format!("the commit log has no message of {topic}"))?;
    let (mut message, properties) = newest;
    let (path, position) = end.context("the commit log is empty")?;
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let begins_at: usize = name.parse().context("a file of the commit log has another name")?;
    let kept = properties.len() / 2;
    message.get_mut(properties.start + kept..).context("it is too short")?.fill(0);
    let queued = number(&message, QUEUE_OFFSET, 8).context("it is too short")?;
    put(&mut message, QUEUE_OFFSET, queued + 1);
    put(&mut message, PHYSICAL_OFFSET, begins_at + position);
    let mut file = OpenOptions::new().write(true).open(path)?;
    file.seek(SeekFrom::Start(u64::try_from(position)?))?;
    file.write_all(&message)?;
    Ok(())
}

fn read(commit_log: &Path, topic: &str) -> anyhow::Result<Log> {
    let mut files: Vec<_> = std::fs::read_dir(commit_log)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    files.sort();
    let mut log = Log { end: None, newest: None };
    for file in files {
        let content = std::fs::read(&file)?;
        let mut at = 0;
        while let Some((length, of_topic, properties)) = message(&content, at) {
            let bytes = content.get(at..at + length).context("a message is cut off")?;
            if of_topic == topic.as_bytes() {
                let within = properties.start - at..properties.end - at;
                log.newest = Some((bytes.to_vec(), within));
            }
            at += length;
            log.end = Some((file.clone(), at));
        }
    }
    Ok(log)
}

/// The message at a position: its length, its topic, and where its properties are.
fn message(content: &[u8], at: usize) -> Option<(usize, &[u8], Range<usize>)> {
    let length = number(content, at, 4)?;
    if content.get(at + 4..at + 8)? != MAGIC {
        return None;
    }
    let topic_length_at = at + BODY_LENGTH + 4 + number(content, at + BODY_LENGTH, 4)?;
    let topic_at = topic_length_at + 1;
    let topic_end = topic_at + number(content, topic_length_at, 1)?;
    let properties = topic_end + 2..topic_end + 2 + number(content, topic_end, 2)?;
    Some((length, content.get(topic_at..topic_end)?, properties))
}

fn put(message: &mut [u8], at: usize, number: usize) {
    let bytes = number.to_be_bytes();
    if let Some(place) = message.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(&bytes);
    }
}

/// In network byte order.
fn number(content: &[u8], at: usize, bytes: usize) -> Option<usize> {
    let bytes = content.get(at..at + bytes)?;
    Some(bytes.iter().fold(0, |number, byte| number << 8 | usize::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(topic: &str, properties: &str) -> Vec<u8> {
        let mut record = vec![0; BODY_LENGTH];
        record.extend([0, 0, 0, 2]);
        record.extend(b"{}");
        record.push(u8::try_from(topic.len()).unwrap());
        record.extend(topic.bytes());
        record.extend(u16::try_from(properties.len()).unwrap().to_be_bytes());
        record.extend(properties.bytes());
        let length = u32::try_from(record.len()).unwrap();
        record[..4].copy_from_slice(&length.to_be_bytes());
        record[4..8].copy_from_slice(&MAGIC);
        record
    }

    #[test]
    fn the_newest_message_of_a_topic_is_appended_without_half_of_its_properties() {
        let folder = tempfile::tempdir().unwrap();
        let [first, second] =
            ["00000000000000001000", "00000000000000002000"].map(|name| folder.path().join(name));
        let messages = [record("HALF", "aaaa"), record("HALF", "bbbb"), record("OTHER", "cccc")];
        std::fs::write(&first, [messages.concat(), vec![0; 200]].concat()).unwrap();
        std::fs::write(&second, vec![0; 200]).unwrap();
        append_torn(folder.path(), "HALF").unwrap();

        let stored = std::fs::read(&first).unwrap();
        let (whole, appended) = stored.split_at(messages.concat().len());
        assert_eq!(whole, messages.concat());
        let mut torn = record("HALF", "bb\0\0");
        put(&mut torn, QUEUE_OFFSET, 1);
        put(&mut torn, PHYSICAL_OFFSET, 1000 + whole.len());
        assert_eq!(appended[..torn.len()], torn);
        assert!(append_torn(folder.path(), "NOT THERE").is_err());
    }
}
