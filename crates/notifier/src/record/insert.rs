//! Many rows in one INSERT, with few statement texts.
//!
//! A statement's text decides whether the connection has it prepared already, so rows go out in
//! chunks of four fixed sizes rather than in whatever number a flush happens to hold.

/// The sizes, largest first; the last must be 1.
const CHUNKS: [usize; 4] = [64, 16, 4, 1];

/// The texts of one table's INSERT.
#[derive(Debug)]
pub(crate) struct Insert {
    texts: [String; CHUNKS.len()],
}

impl Insert {
    /// Prepares the texts for a table and its columns, which are separated by commas.
    pub(crate) fn into(table: &str, columns: &str) -> Self {
        let row = placeholders(columns.split(',').count());
        let texts = CHUNKS.map(|rows| {
            let values = vec![row.as_str(); rows].join(", ");
            format!("INSERT INTO {table} ({columns}) VALUES {values}")
        });
        Self { texts }
    }

    /// Cuts rows into chunks, each with the text that takes it.
    pub(crate) fn chunks<'a, T>(
        &'static self,
        mut rows: &'a [T],
    ) -> impl Iterator<Item = (&'static str, &'a [T])> {
        std::iter::from_fn(move || {
            let fits = |size: &usize| *size <= rows.len();
            let index = CHUNKS.iter().position(fits)?;
            let (chunk, rest) = rows.split_at(CHUNKS[index]);
            rows = rest;
            Some((self.texts[index].as_str(), chunk))
        })
    }
}

/// `(?, ?, ?)`.
fn placeholders(count: usize) -> String {
    format!("({})", vec!["?"; count].join(", "))
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;

    static INSERT: LazyLock<Insert> = LazyLock::new(|| Insert::into("t", "a, b"));

    #[test]
    fn every_row_goes_out_once_and_in_order() {
        for count in [0, 1, 3, 4, 63, 64, 65, 256] {
            let rows: Vec<usize> = (0..count).collect();
            let out: Vec<usize> = INSERT
                .chunks(&rows)
                .inspect(|(text, chunk)| {
                    assert_eq!(text.matches("(?, ?)").count(), chunk.len());
                })
                .flat_map(|(_, chunk)| chunk.to_vec())
                .collect();
            assert_eq!(out, rows);
        }
    }

    #[test]
    fn one_row_reads_as_an_ordinary_insert() {
        let (text, _) = INSERT.chunks(&[1]).next().unwrap();
        assert_eq!(text, "INSERT INTO t (a, b) VALUES (?, ?)");
    }
}
