"""Takes timers and logs from elsewhere, judged whole.

Lowest first: `strict_json`, `export_judge`, `import_shapes`, `exported`, `data_json`, `importer`,
`js_table`.
"""
