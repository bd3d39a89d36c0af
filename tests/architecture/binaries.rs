//! The functions' binaries run on Amazon Linux 2023.

use std::collections::BTreeSet;
use std::path::Path;

use object::elf::{DT_NEEDED, EM_AARCH64, EM_X86_64, FileHeader64};
use object::endian::Endianness;
use object::read::elf::{Dyn, FileHeader};

use crate::root;
use crate::template::template;

/// The GLIBC of Amazon Linux 2023, on which `provided.al2023` is built.
const GLIBC: (u32, u32) = (2, 34);

/// The shared libraries that a binary may need: the C library, in its several files, and the
/// compiler's. Everything else has to be linked in.
const LIBRARIES: [&str; 8] = [
    "ld-linux-aarch64.so.1",
    "ld-linux-x86-64.so.2",
    "libc.so.6",
    "libdl.so.2",
    "libgcc_s.so.1",
    "libm.so.6",
    "libpthread.so.0",
    "librt.so.1",
];

#[derive(Debug, Default)]
struct Needs {
    /// Libraries, such as `libc.so.6`.
    libraries: BTreeSet<String>,
    /// Of their symbols, such as `GLIBC_2.34`: its section `.gnu.version_r`.
    versions: BTreeSet<String>,
}

fn needs(file: &[u8]) -> object::Result<Needs> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let elf = FileHeader64::<Endianness>::parse(file)?;
    let endian = elf.endian()?;
    let sections = elf.sections(endian, file)?;
    let mut needs = Needs::default();
    if let Some((entries, strings)) = sections.dynamic(endian, file)? {
        let strings = sections.strings(endian, file, strings)?;
        for entry in entries.iter().filter(|entry| entry.tag(endian) == DT_NEEDED) {
            needs.libraries.insert(text(entry.string(endian, strings)?));
        }
    }
    if let Some((mut libraries, strings)) = sections.gnu_verneed(endian, file)? {
        let strings = sections.strings(endian, file, strings)?;
        while let Some((_, mut symbols)) = libraries.next()? {
            while let Some(symbol) = symbols.next()? {
                needs.versions.insert(text(symbol.name(endian, strings)?));
            }
        }
    }
    Ok(needs)
}

/// The version of GLIBC that a symbol's version names; `None` for another library's.
fn glibc(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.strip_prefix("GLIBC_")?.split('.');
    let mut next = || numbers.next()?.parse().ok();
    Some((next()?, next()?))
}

fn needs_of(path: &Path) -> Needs {
    let file = std::fs::read(path).unwrap_or_else(|error| {
        panic!("{}: {error}; build the functions first", path.display());
    });
    needs(&file).unwrap()
}

fn assert_runs_on_amazon_linux_2023(binary: &Path) {
    let (needs, name) = (needs_of(binary), binary.display());
    let newest = needs.versions.iter().filter_map(|version| glibc(version)).max();
    assert!(newest.expect("it is linked with GLIBC") <= GLIBC, "{name} needs {newest:?}");
    let missing: Vec<_> =
        needs.libraries.iter().filter(|needed| !LIBRARIES.contains(&needed.as_str())).collect();
    assert!(missing.is_empty(), "{name} needs {missing:?}");
}

#[test]
fn every_function_runs_on_amazon_linux_2023() {
    let binaries = harness::system::SystemOptions::isolated(&root()).unwrap().binaries;
    for function in template().functions {
        assert_runs_on_amazon_linux_2023(&binaries.join(&function.name));
    }
}

#[test]
#[ignore = "`cargo xtask verify --full` runs it after `sam build`, which takes a release build"]
fn the_output_of_sam_build_runs_on_amazon_linux_2023_and_is_for_this_processor() {
    let machine = if cfg!(target_arch = "aarch64") { EM_AARCH64 } else { EM_X86_64 };
    for function in template().functions {
        let folder = root().join(".aws-sam/build").join(&function.logical_id);
        let binary = folder.join("bootstrap");
        assert_runs_on_amazon_linux_2023(&binary);
        let file = std::fs::read(&binary).unwrap();
        let elf = FileHeader64::<Endianness>::parse(&*file).unwrap();
        assert_eq!(elf.e_machine(elf.endian().unwrap()), machine, "{}", binary.display());
    }
}

#[test]
fn versions_are_compared_as_numbers() {
    assert_eq!(glibc("GLIBC_2.34"), Some((2, 34)));
    assert_eq!(glibc("GLIBC_2.2.5"), Some((2, 2)));
    assert_eq!(glibc("GCC_3.0"), None);
    assert_eq!(glibc("GLIBC_PRIVATE"), None);
    assert!(glibc("GLIBC_2.4") < glibc("GLIBC_2.34"));
}
