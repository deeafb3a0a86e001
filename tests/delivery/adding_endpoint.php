<?php
// Stands for the platform's endpoint as it was: it looks for today's row and adds what it is sent. Rows are in a file.
header('Content-Type: application/json');
$folder = getenv('ROWS');
$mode = @file_get_contents("$folder/mode") ?: '';
if ($mode === 'no database') {
    echo json_encode(['success' => false, 'error' => 'Database connection failed']);
    exit;
}
$data = json_decode(file_get_contents('php://input'), true);
foreach (['user_id', 'module_id', 'focused_time', 'unfocused_time', 'total_time', 'focus_percentage'] as $field) {
    if (!isset($data[$field])) {
        echo json_encode(['success' => false, 'error' => "Missing required field: $field"]);
        exit;
    }
}
$file = fopen("$folder/rows.json", 'c+');
flock($file, LOCK_EX);
$rows = json_decode(stream_get_contents($file) ?: '{}', true);
$key = implode('/', [$data['user_id'], $data['module_id'], $data['section_id'] ?? '']);
foreach (['focused_time', 'unfocused_time', 'total_time'] as $field) {
    $rows[$key][$field] = ($rows[$key][$field] ?? 0) + intval($data[$field]);
}
ftruncate($file, 0);
rewind($file);
fwrite($file, json_encode($rows));
fclose($file);
if ($mode === 'fails after it has added') {
    http_response_code(500);
    echo 'Fatal error';
    exit;
}
echo json_encode(['success' => true, 'message' => 'Tracking data saved successfully']);
