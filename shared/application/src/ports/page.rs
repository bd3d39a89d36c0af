/// A part of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<Item, Position> {
    /// What is on this page, in the order of the listing.
    pub items: Vec<Item>,
    /// The number of records on this page that this code can't read. The adapter logs them.
    pub unreadable: u64,
    /// Where the next page begins; `None` after the last. A page may be empty and not the last.
    pub next: Option<Position>,
}

/// How many items a client may ask for at once: 1 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageLimit(u8);

impl PageLimit {
    /// The largest limit.
    pub const MAX: Self = Self(100);

    /// The limit, or `None` if it is not 1 to 100.
    pub const fn new(limit: u8) -> Option<Self> {
        if limit >= 1 && limit <= Self::MAX.0 { Some(Self(limit)) } else { None }
    }

    /// The limit as a number: 1 to 100.
    pub const fn get(self) -> u8 {
        self.0
    }
}
