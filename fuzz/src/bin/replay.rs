//! Runs a target over files, without a fuzzer: `replay TARGET PATH...`, each path a file or a folder of files. For
//! coverage, and to see what an input does.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let mut args = env::args_os().skip(1);
    let name = args.next().unwrap_or_default();
    let Some((name, target)) = pop3_fuzz::TARGETS.into_iter().find(|(known, _)| name == *known) else {
        return Err(io::Error::other("usage: replay TARGET PATH..."));
    };
    let mut files = Vec::new();
    args.map(PathBuf::from).try_for_each(|path| collect(&path, &mut files))?;
    for file in &files {
        target(&fs::read(file)?);
    }
    println!("{name}: {} files", files.len());
    Ok(())
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let mut paths: Vec<PathBuf> =
        fs::read_dir(path)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    paths.sort();
    paths.iter().try_for_each(|path| collect(path, files))
}
