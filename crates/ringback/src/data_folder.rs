//! data_folder
