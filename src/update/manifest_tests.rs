use super::*;
use crate::update::tests::manifest;
use sha2::{Digest as _, Sha256};

const DEVICE: Compatibility<'static> = Compatibility {
    manufacturer: "Contoso",
    model: "Toaster",
};

fn read(text: &str) -> Result<Manifest, ManifestError> {
    Manifest::read(text.as_bytes(), &DEVICE)
}

#[test]
fn a_manifest_names_an_update_its_criterion_and_its_file() {
    let read = read(&manifest("1.1.0", b"image")).unwrap();
    assert_eq!(read.id.provider.as_str(), "Contoso");
    assert_eq!(read.id.name.as_str(), "Toaster");
    assert_eq!(read.id.version.as_str(), "1.1.0");
    assert_eq!(read.criterion.as_str(), "1.1.0");
    assert_eq!(read.file.id.as_str(), "f1");
    assert_eq!(read.file.size, 5);
    assert_eq!(read.file.digest[..], Sha256::digest(b"image")[..]);
}

#[test]
fn each_part_of_a_manifest_that_this_device_cannot_take_has_its_reason() {
    let good = manifest("1.1.0", b"image");
    let long = "x".repeat(65);
    for (from, to, expected) in [
        (
            "\"manifestVersion\":\"5\"",
            "\"manifestVersion\":\"4\"",
            ManifestError::Version,
        ),
        ("\"manifestVersion\":\"5\",", "", ManifestError::Version),
        ("\"name\":\"Toaster\"", "\"name\":\"\"", ManifestError::Id),
        ("\"name\":\"Toaster\",", "", ManifestError::Id),
        (
            "\"name\":\"Toaster\"",
            &std::format!("\"name\":\"{long}\""),
            ManifestError::Id,
        ),
        (
            "\"deviceModel\":\"toaster\"",
            "\"deviceModel\":\"kettle\"",
            ManifestError::Incompatible,
        ),
        (
            "\"deviceModel\":\"toaster\"",
            "\"deviceModel\":\"toaster\",\"region\":\"x\"",
            ManifestError::Incompatible,
        ),
        (
            "{\"deviceManufacturer\":\"contoso\",\"deviceModel\":\"toaster\"}",
            "{}",
            ManifestError::Incompatible,
        ),
        (
            "{\"deviceManufacturer\":\"contoso\",\"deviceModel\":\"toaster\"}",
            "",
            ManifestError::Incompatible,
        ),
        (
            "\"files\":[\"f1\"]",
            "\"files\":[\"f1\",\"f2\"]",
            ManifestError::Steps,
        ),
        ("\"files\":[\"f1\"]", "\"files\":[]", ManifestError::Steps),
        (
            "\"handler\":",
            "\"type\":\"reference\",\"handler\":",
            ManifestError::Steps,
        ),
        ("\"installedCriteria\":\"1.1.0\"", "", ManifestError::Steps),
        ("}}]}", "}},{}]}", ManifestError::Steps),
        (
            "\"files\":[\"f1\"]",
            "\"files\":[\"f2\"]",
            ManifestError::File,
        ),
        (
            "\"sizeInBytes\":5",
            "\"sizeInBytes\":0",
            ManifestError::File,
        ),
        (
            "\"sizeInBytes\":5",
            "\"sizeInBytes\":5000000000",
            ManifestError::File,
        ),
        (
            "\"sizeInBytes\":5",
            "\"sizeInBytes\":-5",
            ManifestError::File,
        ),
        ("\"sha256\":\"", "\"sha256\":\"A", ManifestError::File),
        ("\"sha256\":\"", "\"sha512\":\"", ManifestError::File),
    ] {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good, "{from}");
        assert_eq!(read(&bad), Err(expected), "{to}");
    }
    assert_eq!(read("{"), Err(ManifestError::NotJson));
    for cut in 0..good.len() {
        assert!(read(&good[..cut]).is_err());
    }
}

#[test]
fn one_of_several_sets_of_compatibility_is_enough_whatever_its_case() {
    let good = manifest("1.1.0", b"image");
    let two = good.replacen(
        "[{\"deviceManufacturer\"",
        "[{\"deviceModel\":\"kettle\"},{\"deviceManufacturer\"",
        1,
    );
    assert!(read(&two).is_ok());
    let upper = good.replacen("\"contoso\"", "\"CONTOSO\"", 1);
    assert!(read(&upper).is_ok());
    let inline = good.replacen("\"handler\":", "\"type\":\"inline\",\"handler\":", 1);
    assert!(read(&inline).is_ok());
}
