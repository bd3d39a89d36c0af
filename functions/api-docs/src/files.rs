//! The files of the documentation, compressed when the crate is built.

use std::io::{self, Read};

use flate2::read::GzDecoder;

/// Allows scripts, styles and connections only of this origin, nothing inline, and no frame around
/// the page. Pictures may be `data:` URLs, because the viewer's style sheet embeds its own.
pub const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
                          img-src 'self' data:; connect-src 'self'; base-uri 'none'; \
                          form-action 'none'; frame-ancestors 'none'";

#[derive(Debug, Clone, Copy)]
pub struct File {
    /// The path below `/docs`.
    pub name: &'static str,
    pub content_type: &'static str,
    pub gzipped: &'static [u8],
}

impl File {
    /// The content, decompressed.
    ///
    /// # Errors
    ///
    /// If the content cannot be decompressed.
    pub fn content(&self) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        GzDecoder::new(self.gzipped).read_to_end(&mut content)?;
        Ok(content)
    }
}

macro_rules! file {
    ($name:literal, $content_type:literal) => {
        File {
            name: $name,
            content_type: $content_type,
            gzipped: include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".gz")),
        }
    };
}

pub const PAGE: File = file!("docs.html", "text/html; charset=utf-8");

/// The files that the page refers to.
pub const FILES: [File; 7] = [
    file!("docs.css", "text/css; charset=utf-8"),
    file!("docs.js", "text/javascript; charset=utf-8"),
    file!("icon.svg", "image/svg+xml"),
    file!("openapi.yaml", "application/yaml"),
    file!("viewer.css", "text/css; charset=utf-8"),
    file!("viewer.js", "text/javascript; charset=utf-8"),
    file!("viewer-licences.txt", "text/plain; charset=utf-8"),
];
