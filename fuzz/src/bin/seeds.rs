//! Writes the beginnings of a campaign: `seeds TRANSCRIPTS CORPUS` reads replies of real servers below the first folder and
//! writes one folder for each target below the second.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let mut args = env::args_os().skip(1).map(PathBuf::from);
    let (Some(transcripts), Some(corpus)) = (args.next(), args.next()) else {
        return Err(io::Error::other("usage: seeds TRANSCRIPTS CORPUS"));
    };
    let mut texts = Vec::new();
    collect(&transcripts, &mut texts)?;
    for (target, _) in pop3_fuzz::TARGETS {
        let folder = corpus.join(target);
        fs::create_dir_all(&folder)?;
        for (number, seed) in pop3_fuzz::seeds(target, &texts).iter().enumerate() {
            fs::write(folder.join(format!("seed-{number:04}")), seed)?;
        }
    }
    Ok(())
}

fn collect(folder: &Path, texts: &mut Vec<Vec<u8>>) -> io::Result<()> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect(&path, texts)?;
        } else if path.extension().is_some_and(|extension| extension == "txt") {
            texts.push(fs::read(path)?);
        }
    }
    Ok(())
}
