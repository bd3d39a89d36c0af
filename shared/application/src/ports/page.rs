/// A part of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T, P> {
    /// What it tells.
    pub items: Vec<T>,
    /// How many records there are on it that this code can't read. The adapter's log names them.
    pub unreadable: u64,
    /// Where the next page begins; none after the last. A page may be empty and not the last.
    pub next: Option<P>,
}
