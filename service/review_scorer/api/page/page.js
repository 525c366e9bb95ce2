import { startFile } from './file.js';
import { startLanguage } from './language.js';
import { startScore } from './score.js';
import { startTabs } from './tabs.js';

startTabs(document.querySelector('[role=tablist]'));
startScore();
startFile();
startLanguage();
